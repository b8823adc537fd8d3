#include "base/json.h"

#include "base/json_scan.h"

/* The members of an object that the caller asked for. */
struct wanted {
    const struct str *names;
    struct str *values;
    int count;
    int which;         /* the value now read is that of names[which]; -1: of none */
    const char *value; /* where it began */
};

/*
 * One pass without recursion: `in_object` is the stack. Every reader takes where it is and returns where it stands
 * then, so that the place stays in a register; NULL says that `why` and `at` hold what is wrong and where.
 */
struct check {
    const char *end;
    const char *why, *at;
    int depth;
    struct wanted *now; /* of the object that is open innermost; NULL: nothing in it is wanted */
    struct wanted outer, inner;
    struct json_members *members; /* or NULL */
    int inner_depth;              /* where the keys of members->inner are; -1: nowhere */
    bool in_object[JSON_MAX_DEPTH + 1];
};

static __attribute__((cold, noinline)) const char *refuse(struct check *c, const char *p, const char *why)
{
    c->at = p;
    c->why = why;
    return NULL;
}

/* What must come here is not there. */
static __attribute__((cold, noinline)) const char *miss(struct check *c, const char *p, const char *why)
{
    return refuse(c, p, p == c->end ? "the text ends inside a value" : why);
}

/* Passes blanks; the byte that is next, and '\0' at the end as where there is one. */
static inline char peek(const struct check *c, const char **p)
{
    if (__builtin_expect(*p < c->end && **p > ' ', 1))
        return **p;
    *p = json_scan_blanks(*p, c->end);
    return *p < c->end ? **p : '\0';
}

static inline bool is_digit(const struct check *c, const char *p)
{
    return p < c->end && (unsigned char)(*p - '0') < 10;
}

static inline const char *skip_digits(const struct check *c, const char *p)
{
    while (is_digit(c, p))
        p++;
    return p;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static const bool is_escape[256] = {
    ['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
    ['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true,
};

static const char *check_escape(struct check *c, const char *p)
{
    static const char WHY[] = "an escape that JSON does not have";
    if (c->end - p >= 2 && is_escape[(unsigned char)p[1]])
        return p + 2;
    if (c->end - p < 6 || p[1] != 'u')
        return refuse(c, p, WHY);
    for (int i = 2; i < 6; i++)
        if (!is_hex(p[i]))
            return refuse(c, p, WHY);
    return p + 6;
}

/* Bytes above ASCII and the blanks and dots among them, since scanning starts anew after each stop. */
static const char *check_utf8(struct check *c, const char *p)
{
    p = json_scan_utf8_far(p, c->end);
    while (p < c->end && (*p & 0x80 || *p == ' ' || *p == ',' || *p == '.')) {
        int len = json_scan_utf8(p, c->end);
        if (len == 0)
            return refuse(c, p, "invalid UTF-8");
        p += len;
    }
    return p;
}

/* What stops the scan of a string, other than its closing quote. */
static __attribute__((noinline)) const char *check_special(struct check *c, const char *p)
{
    if (p == c->end)
        return refuse(c, p, "the string does not end");
    if (*p == '\\')
        return check_escape(c, p);
    return *p & 0x80 ? check_utf8(c, p) : refuse(c, p, "a control byte in a string");
}

/* From the opening quote to after the closing one. */
static inline const char *check_string(struct check *c, const char *p)
{
    for (p++;;) {
        p = json_scan_special(p, c->end);
        if (__builtin_expect(p < c->end && *p == '"', 1))
            return p + 1;
        if ((p = check_special(c, p)) == NULL)
            return NULL;
    }
}

static const char *check_exponent(struct check *c, const char *p)
{
    p++;
    if (p < c->end && (*p == '+' || *p == '-'))
        p++;
    return is_digit(c, p) ? skip_digits(c, p) : refuse(c, p, "an exponent without digits");
}

static const char *check_number(struct check *c, const char *p)
{
    p += *p == '-';
    if (!is_digit(c, p))
        return refuse(c, p, "a number without digits");
    p = *p == '0' ? p + 1 : skip_digits(c, p);
    if (p < c->end && *p == '.') {
        if (!is_digit(c, ++p))
            return refuse(c, p, "a fraction without digits");
        p = skip_digits(c, p);
    }
    return p < c->end && (*p | 0x20) == 'e' ? check_exponent(c, p) : p;
}

static inline const char *check_word(struct check *c, const char *p, const char *word, size_t len)
{
    if ((size_t)(c->end - p) < len || memcmp(p, word, len) != 0)
        return refuse(c, p, "a value expected");
    return p + len;
}

/* What begins with `first`, and is neither string nor container. */
static inline const char *check_scalar(struct check *c, const char *p, char first)
{
    switch (first) {
    case 't':
        return check_word(c, p, "true", 4);
    case 'f':
        return check_word(c, p, "false", 5);
    case 'n':
        return check_word(c, p, "null", 4);
    default:
        if (first == '-' || (unsigned char)(first - '0') < 10)
            return check_number(c, p);
        return miss(c, p, "a value expected");
    }
}

/* ---- what is wanted ---- */

static void clear(struct wanted *w)
{
    w->which = -1;
    for (int i = 0; i < w->count; i++)
        w->values[i] = (struct str){NULL, 0};
}

/* Inside the value that members->inner is of, and it is of the right kind. */
static bool is_inside(const struct check *c)
{
    return c->outer.which == c->members->inner->of && c->in_object[2] == (c->inner_depth == 2);
}

static inline struct wanted *wanted_here(struct check *c)
{
    if (c->depth == 1)
        return c->members ? &c->outer : NULL;
    return c->depth == c->inner_depth && is_inside(c) ? &c->inner : NULL;
}

/* A bracket opened. */
static inline void enter(struct check *c)
{
    c->now = wanted_here(c);
    if (c->now == &c->inner)
        clear(c->now);
    else if (c->depth == 2 && c->inner_depth == 3 && is_inside(c))
        c->members->inner->begin(c->members->inner->arg);
}

static inline void end_member(struct check *c, const char *p)
{
    struct wanted *w = c->now;
    struct str *value = &w->values[w->which];
    if (w == &c->outer && value->p)
        c->members->repeats = true;
    *value = str_n(w->value, (size_t)(p - w->value));
    w->which = -1;
}

/* An item of the list ended before p. */
static void end_row(struct check *c, const char *p)
{
    const struct json_inner *inner = c->members->inner;
    inner->row(inner->arg, p[-1] == '}' ? c->inner.values : NULL);
}

/* ---- containers ---- */

/* From a key to its value. */
static inline const char *check_key(struct check *c, const char *p)
{
    if (peek(c, &p) != '"')
        return miss(c, p, "a key in quotes expected");
    const char *start = p + 1;
    if ((p = check_string(c, p)) == NULL)
        return NULL;
    if (c->now)
        c->now->which = json_scan_find(str_n(start, (size_t)(p - 1 - start)), c->now->names, c->now->count);
    if (peek(c, &p) != ':')
        return miss(c, p, "a colon expected");
    return p + 1;
}

/* From behind a value, over what closes there, to the next one; with depth 0 at the end of the outermost. */
static inline const char *check_after(struct check *c, const char *p)
{
    for (;;) {
        if (c->now && c->now->which >= 0)
            end_member(c, p);
        if (c->depth == 0)
            return p;
        if (c->depth == 2 && c->inner_depth == 3 && is_inside(c))
            end_row(c, p);
        char next = peek(c, &p);
        bool in_object = c->in_object[c->depth];
        if (next == ',')
            return in_object ? check_key(c, p + 1) : p + 1;
        if (next != (in_object ? '}' : ']'))
            return miss(c, p, in_object ? "a comma or } expected" : "a comma or ] expected");
        c->depth--;
        c->now = wanted_here(c);
        p++;
    }
}

/* From an opening bracket to the first value inside, or past the closing one. */
static inline const char *check_open(struct check *c, const char *p, bool is_object)
{
    if (c->depth == JSON_MAX_DEPTH)
        return refuse(c, p, "nested deeper than 128");
    c->in_object[++c->depth] = is_object;
    enter(c);
    p++;
    if (peek(c, &p) == (is_object ? '}' : ']')) {
        c->depth--;
        c->now = wanted_here(c);
        return check_after(c, p + 1);
    }
    return is_object ? check_key(c, p) : p;
}

/* The outermost value, to behind it. */
static const char *check_value(struct check *c, const char *p)
{
    do {
        char first = peek(c, &p);
        if (c->now)
            c->now->value = p;
        if ((first | 0x20) == '{') { /* or '[' */
            p = check_open(c, p, first == '{');
            continue;
        }
        p = first == '"' ? check_string(c, p) : check_scalar(c, p, first);
        if (p)
            p = check_after(c, p);
    } while (p && c->depth > 0);
    return p;
}

static void want(struct check *c, const struct json_members *m)
{
    const struct json_inner *inner = m->inner;
    c->outer = (struct wanted){.names = m->names, .values = m->values, .count = m->count};
    clear(&c->outer);
    if (inner == NULL)
        return;
    c->inner_depth = inner->row ? 3 : 2;
    c->inner = (struct wanted){.names = inner->names, .values = inner->values, .count = inner->count};
    clear(&c->inner);
}

int json_validate_members(struct str s, struct json_members *members, struct err *err)
{
    if (s.p == NULL)
        s.p = "";
    struct check c; /* the stack stays uninitialised: it is written before it is read */
    c.end = s.p + s.len;
    c.depth = 0;
    c.inner_depth = -1;
    c.now = NULL;
    c.members = members;
    if (members)
        want(&c, members);
    const char *p = check_value(&c, s.p);
    if (p && (p = json_scan_blanks(p, c.end)) < c.end)
        refuse(&c, p, "more after the value");
    else if (p)
        return 0;
    return err_set(err, ERR_MALFORMED, "invalid JSON at byte %zu: %s", (size_t)(c.at - s.p), c.why);
}

int json_validate(struct str s, struct err *err)
{
    return json_validate_members(s, NULL, err);
}
