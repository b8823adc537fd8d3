#include "base/json.h"

#include "base/json_scan.h"

/* One pass without recursion: `in_object` is the stack. */
struct check {
    const char *p, *end;
    const char *why;
    int depth;
    struct json_members *members; /* of the outermost object, wanted by the caller; or NULL */
    int wanted;                   /* which of them the value now read is; -1: none */
    const char *value;            /* where it began */
    bool in_object[JSON_MAX_DEPTH + 1];
};

/* What may come next. */
enum expect { A_VALUE, A_VALUE_OR_END, A_KEY, A_KEY_OR_END, A_SEPARATOR, NOTHING, INVALID };

static enum expect refuse(struct check *c, const char *why)
{
    c->why = why;
    return INVALID;
}

static bool is_digit(const struct check *c)
{
    return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

static bool skip_digits(struct check *c)
{
    const char *start = c->p;
    while (is_digit(c))
        c->p++;
    return c->p > start;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static const bool is_escape[256] = {
    ['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
    ['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true,
};

static bool check_escape(struct check *c)
{
    if (c->end - c->p < 2)
        return false;
    if (c->p[1] != 'u') {
        c->p += 2;
        return is_escape[(unsigned char)c->p[-1]];
    }
    if (c->end - c->p < 6)
        return false;
    for (int i = 2; i < 6; i++)
        if (!is_hex(c->p[i]))
            return false;
    c->p += 6;
    return true;
}

/* Bytes above ASCII and the blanks and dots among them, since scanning starts anew after each stop. */
static bool check_utf8(struct check *c)
{
    while (c->p < c->end && (*c->p & 0x80 || *c->p == ' ' || *c->p == ',' || *c->p == '.')) {
        int len = json_scan_utf8(c->p, c->end);
        if (len == 0)
            return false;
        c->p += len;
    }
    return true;
}

/* From the opening quote to after the closing one. NULL when fine, else why not. */
static const char *check_string(struct check *c)
{
    c->p++;
    for (;;) {
        c->p = json_scan_special(c->p, c->end);
        if (c->p == c->end)
            return "the string does not end";
        if (*c->p == '"') {
            c->p++;
            return NULL;
        }
        if (*c->p == '\\') {
            if (!check_escape(c))
                return "an escape that JSON does not have";
        } else if (!(*c->p & 0x80)) {
            return "a control byte in a string";
        } else if (!check_utf8(c)) {
            return "invalid UTF-8";
        }
    }
}

static enum expect check_number(struct check *c)
{
    c->p += *c->p == '-';
    if (!is_digit(c))
        return refuse(c, "a number without digits");
    if (*c->p == '0')
        c->p++;
    else
        skip_digits(c);
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        if (!skip_digits(c))
            return refuse(c, "a fraction without digits");
    }
    if (c->p < c->end && (*c->p | 0x20) == 'e') {
        c->p++;
        if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
            c->p++;
        if (!skip_digits(c))
            return refuse(c, "an exponent without digits");
    }
    return A_SEPARATOR;
}

static enum expect check_word(struct check *c, const char *word, size_t len)
{
    if ((size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0)
        return refuse(c, "a value expected");
    c->p += len;
    return A_SEPARATOR;
}

static enum expect open_container(struct check *c, bool is_object)
{
    if (c->depth == JSON_MAX_DEPTH)
        return refuse(c, "nested deeper than 128");
    c->in_object[++c->depth] = is_object;
    c->p++;
    return is_object ? A_KEY_OR_END : A_VALUE_OR_END;
}

static enum expect close_container(struct check *c)
{
    c->depth--;
    c->p++;
    return A_SEPARATOR;
}

static enum expect check_value(struct check *c)
{
    switch (*c->p) {
    case '"':
        c->why = check_string(c);
        return c->why ? INVALID : A_SEPARATOR;
    case '{':
        return open_container(c, true);
    case '[':
        return open_container(c, false);
    case 't':
        return check_word(c, "true", 4);
    case 'f':
        return check_word(c, "false", 5);
    case 'n':
        return check_word(c, "null", 4);
    default:
        if (*c->p == '-' || is_digit(c))
            return check_number(c);
        return refuse(c, "a value expected");
    }
}

static int find_member(const struct json_members *m, struct str key)
{
    for (int i = 0; i < m->count; i++)
        if (json_scan_key_is(key, m->names[i]))
            return i;
    return -1;
}

static void end_member(struct check *c)
{
    struct str *value = &c->members->values[c->wanted];
    c->members->repeats = c->members->repeats || value->p;
    *value = str_n(c->value, (size_t)(c->p - c->value));
    c->wanted = -1;
}

static enum expect check_key(struct check *c)
{
    const char *start = c->p + 1;
    if (*c->p != '"')
        return refuse(c, "a key in quotes expected");
    if ((c->why = check_string(c)) != NULL)
        return INVALID;
    if (c->depth == 1 && c->members)
        c->wanted = find_member(c->members, str_n(start, (size_t)(c->p - 1 - start)));
    c->p = json_scan_blanks(c->p, c->end);
    if (c->p == c->end || *c->p != ':')
        return refuse(c, "a colon expected");
    c->p = json_scan_blanks(c->p + 1, c->end);
    if (c->depth == 1)
        c->value = c->p;
    return A_VALUE;
}

static enum expect check_separator(struct check *c)
{
    bool in_object = c->in_object[c->depth];
    if (*c->p == (in_object ? '}' : ']'))
        return close_container(c);
    if (*c->p != ',')
        return refuse(c, in_object ? "a comma or } expected" : "a comma or ] expected");
    c->p++;
    return in_object ? A_KEY : A_VALUE;
}

/* One token at c->p, which is no blank and not the end. */
static enum expect step(struct check *c, enum expect expect)
{
    switch (expect) {
    case A_VALUE_OR_END:
        return *c->p == ']' ? close_container(c) : check_value(c);
    case A_VALUE:
        return check_value(c);
    case A_KEY_OR_END:
        return *c->p == '}' ? close_container(c) : check_key(c);
    case A_KEY:
        return check_key(c);
    case A_SEPARATOR:
        return check_separator(c);
    default:
        return refuse(c, "more after the value");
    }
}

static int fail(const struct check *c, struct str s, struct err *err)
{
    return err_set(err, ERR_MALFORMED, "invalid JSON at byte %zu: %s", (size_t)(c->p - s.p),
                   c->why);
}

int json_validate_members(struct str s, struct json_members *members, struct err *err)
{
    if (s.p == NULL)
        s.p = "";
    struct check c; /* the stack stays uninitialised: it is written before it is read */
    c.p = s.p;
    c.end = s.p + s.len;
    c.depth = 0;
    c.members = members;
    c.wanted = -1;
    for (int i = 0; members && i < members->count; i++)
        members->values[i] = (struct str){NULL, 0};
    enum expect expect = A_VALUE;
    while ((c.p = json_scan_blanks(c.p, c.end)) < c.end) {
        expect = step(&c, expect);
        if (expect == INVALID)
            return fail(&c, s, err);
        if (expect == A_SEPARATOR && c.depth == 0)
            expect = NOTHING;
        else if (expect == A_SEPARATOR && c.depth == 1 && c.wanted >= 0)
            end_member(&c);
    }
    if (expect == NOTHING)
        return 0;
    c.why = "the text ends inside a value";
    return fail(&c, s, err);
}

int json_validate(struct str s, struct err *err)
{
    return json_validate_members(s, NULL, err);
}
