#include "base/json.h"
#include "base/json_scan.h"

/* An absent value walks like an empty one. */
static struct str present(struct str value)
{
    return value.p ? value : str_n("", 0);
}

enum json_type json_type(struct str value)
{
    value = present(value);
    const char *end = value.p + value.len;
    const char *p = json_scan_blanks(value.p, end);
    if (p == end)
        return JSON_NONE;
    switch (*p) {
    case 'n':
        return JSON_NULL;
    case 'f':
        return JSON_FALSE;
    case 't':
        return JSON_TRUE;
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    default:
        return JSON_NUMBER;
    }
}

struct json_walk json_walk(struct str value)
{
    value = present(value);
    struct json_walk w = {.end = value.p + value.len};
    w.at = json_scan_blanks(value.p, w.end);
    if (w.at == w.end || (*w.at != '{' && *w.at != '['))
        w.at = w.end;
    else
        w.is_object = *w.at++ == '{';
    return w;
}

bool json_next_key(struct json_walk *w)
{
    const char *p = json_scan_blanks(w->at, w->end);
    if (p < w->end && *p == ',')
        p = json_scan_blanks(p + 1, w->end);
    if (p == w->end || *p == '}' || *p == ']') {
        w->at = p;
        return false;
    }
    w->key = str_n(p, 0);
    if (w->is_object) {
        const char *close = json_scan_string(++p, w->end);
        w->key = str_n(p, (size_t)(close - p));
        p = json_scan_blanks(close + (close < w->end), w->end);
        p = json_scan_blanks(p + (p < w->end), w->end);
    }
    w->at = p;
    return true;
}

void json_skip(struct json_walk *w)
{
    const char *p = w->at;
    w->at = json_scan_value(p, w->end);
    w->value = str_n(p, (size_t)(w->at - p));
}

bool json_next(struct json_walk *w)
{
    if (!json_next_key(w))
        return false;
    json_skip(w);
    return true;
}

struct json_walk json_enter(const struct json_walk *w)
{
    return json_walk(str_n(w->at, (size_t)(w->end - w->at)));
}

void json_leave(struct json_walk *w, struct json_walk *inner)
{
    while (json_next(inner))
        ;
    w->at = inner->at + (inner->at < w->end);
}

bool json_key_is(struct str key, struct str name)
{
    const char *p = key.p, *end = key.p + key.len;
    if (memchr(key.p, '\\', key.len) == NULL)
        return str_same(key, name);
    if (key.len <= name.len)
        return false; /* an escape is longer than what it stands for */
    while (p < end) {
        char bytes[4] = {*p};
        int len = 1;
        if (*p == '\\')
            len = json_scan_escape(&p, end, bytes);
        else
            p++;
        if (name.len < (size_t)len || memcmp(name.p, bytes, (size_t)len) != 0)
            return false;
        name.p += len;
        name.len -= (size_t)len;
    }
    return name.len == 0;
}

static struct str member(struct str object, struct str name)
{
    struct str found = {NULL, 0};
    struct json_walk w = json_walk(object);
    while (w.is_object && json_next(&w))
        if (json_key_is(w.key, name))
            found = w.value;
    return found;
}

struct str json_get(struct str object, const char *name)
{
    return member(object, str_of(name));
}

void json_get_many(struct str object, const struct str *names, struct str *values, int count)
{
    for (int i = 0; i < count; i++)
        values[i] = (struct str){NULL, 0};
    struct json_walk w = json_walk(object);
    while (w.is_object && json_next(&w)) {
        int i = json_scan_find(w.key, names, count);
        if (i >= 0)
            values[i] = w.value;
    }
}

/* "0" or digits without a leading zero, as RFC 6901 has them. */
static bool parse_index(struct str token, size_t *out)
{
    if (token.len == 0 || token.len > 9 || (token.len > 1 && token.p[0] == '0'))
        return false;
    *out = 0;
    for (size_t i = 0; i < token.len; i++) {
        if (token.p[i] < '0' || token.p[i] > '9')
            return false;
        *out = *out * 10 + (size_t)(token.p[i] - '0');
    }
    return true;
}

static struct str item(struct str array, struct str token)
{
    size_t index;
    if (!parse_index(token, &index))
        return (struct str){NULL, 0};
    struct json_walk w = json_walk(array);
    while (json_next(&w))
        if (index-- == 0)
            return w.value;
    return (struct str){NULL, 0};
}

/* Undoes ~1 and ~0. A token over the buffer's size names no member. */
static bool unescape_token(struct str token, char *out, size_t size, struct str *name)
{
    *name = token;
    if (memchr(token.p, '~', token.len) == NULL)
        return true;
    size_t len = 0;
    for (size_t i = 0; i < token.len; i++) {
        char c = token.p[i];
        if (c == '~' && i + 1 < token.len)
            c = token.p[++i] == '1' ? '/' : '~';
        if (len == size)
            return false;
        out[len++] = c;
    }
    *name = str_n(out, len);
    return true;
}

static struct str child(struct str value, struct str token)
{
    char decoded[256];
    struct str name;
    if (json_type(value) == JSON_ARRAY)
        return item(value, token);
    if (!unescape_token(token, decoded, sizeof decoded, &name))
        return (struct str){NULL, 0};
    return member(value, name);
}

static struct str trim(struct str value)
{
    const char *end = value.p + value.len;
    const char *p = json_scan_blanks(value.p, end);
    return str_n(p, (size_t)(json_scan_value(p, end) - p));
}

struct str json_pointer(struct str value, const char *pointer)
{
    value = trim(present(value));
    while (*pointer == '/' && value.p != NULL) {
        struct str token = str_n(pointer + 1, strcspn(pointer + 1, "/"));
        value = child(value, token);
        pointer = token.p + token.len;
    }
    return *pointer == '\0' && value.len > 0 ? value : (struct str){NULL, 0};
}
