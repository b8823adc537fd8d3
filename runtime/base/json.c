#include "base/json.h"

#include "base/json_scan.h"

/*
 * One pass without recursion: `in_object` is the stack. Every reader takes where it is and returns where it stands
 * then, so that the place stays in a register; NULL says that `why` and `at` hold what is wrong and where.
 */
struct check {
    const char *end;
    const char *why, *at;
    int depth;
    struct json_members *members; /* of the outermost object, wanted by the caller; or NULL */
    int wanted;                   /* which of them the value now read is; -1: none */
    const char *value;            /* where it began */
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

/* What begins with `first`. */
static inline const char *check_scalar(struct check *c, const char *p, char first)
{
    switch (first) {
    case '"':
        return check_string(c, p);
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

static void end_member(struct check *c, const char *p)
{
    struct str *value = &c->members->values[c->wanted];
    c->members->repeats = c->members->repeats || value->p;
    *value = str_n(c->value, (size_t)(p - c->value));
    c->wanted = -1;
}

/* From a key to its value. */
static inline const char *check_key(struct check *c, const char *p)
{
    const char *start = p + 1;
    if (p == c->end || *p != '"')
        return miss(c, p, "a key in quotes expected");
    if ((p = check_string(c, p)) == NULL)
        return NULL;
    if (c->depth == 1 && c->members)
        c->wanted = json_scan_find(str_n(start, (size_t)(p - 1 - start)), c->members->names, c->members->count);
    if (peek(c, &p) != ':')
        return miss(c, p, "a colon expected");
    p = json_scan_blanks(p + 1, c->end);
    if (c->depth == 1)
        c->value = p;
    return p;
}

/* From behind a value, over what closes there, to the next one; with depth 0 at the end of the outermost. */
static inline const char *check_after(struct check *c, const char *p)
{
    for (;;) {
        if (c->depth == 1 && c->wanted >= 0)
            end_member(c, p);
        if (c->depth == 0)
            return p;
        char next = peek(c, &p);
        bool in_object = c->in_object[c->depth];
        if (next == ',') {
            p = json_scan_blanks(p + 1, c->end);
            return in_object ? check_key(c, p) : p;
        }
        if (next != (in_object ? '}' : ']'))
            return miss(c, p, in_object ? "a comma or } expected" : "a comma or ] expected");
        c->depth--;
        p++;
    }
}

/* From an opening bracket to the first value inside, or past the closing one. */
static inline const char *check_open(struct check *c, const char *p, bool is_object)
{
    if (c->depth == JSON_MAX_DEPTH)
        return refuse(c, p, "nested deeper than 128");
    c->in_object[++c->depth] = is_object;
    p++;
    if (peek(c, &p) == (is_object ? '}' : ']'))
        return check_after(c, p);
    return is_object ? check_key(c, p) : p;
}

/* From the outermost value's first byte to behind it. */
static const char *check_value(struct check *c, const char *p)
{
    do {
        char first = p < c->end ? *p : '\0';
        if (first == '{' || first == '[')
            p = check_open(c, p, first == '{');
        else if ((p = check_scalar(c, p, first)) != NULL)
            p = check_after(c, p);
    } while (p && c->depth > 0);
    return p;
}

int json_validate_members(struct str s, struct json_members *members, struct err *err)
{
    if (s.p == NULL)
        s.p = "";
    struct check c; /* the stack stays uninitialised: it is written before it is read */
    c.end = s.p + s.len;
    c.depth = 0;
    c.members = members;
    c.wanted = -1;
    for (int i = 0; members && i < members->count; i++)
        members->values[i] = (struct str){NULL, 0};
    const char *p = check_value(&c, json_scan_blanks(s.p, c.end));
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
