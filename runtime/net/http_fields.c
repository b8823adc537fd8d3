#include "net/http_fields.h"

#include <string.h>

#include "net/http_bytes.h"

int http_refuse(struct http_error *error, int status, const char *why)
{
    *error = (struct http_error){status, why};
    return -1;
}

static struct str trim(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return str_n(p, (size_t)(end - p));
}

/* ---- where the head ends ---- */

static int too_long(size_t at, bool is_first, struct http_error *error)
{
    if (at + 2 > HTTP_MAX_HEAD)
        return http_refuse(error, 431, "the head is over 32 KiB");
    if (is_first)
        return http_refuse(error, 414, "the first line is over 4 KiB");
    return http_refuse(error, 431, "a field line is over 8190 bytes");
}

/*
 * What is said of a position depends on the bytes before it only, so that arrival in pieces changes
 * nothing.
 */
long http_fields_end(const char *p, size_t len, size_t first, size_t *scanned,
                     struct http_error *error)
{
    size_t at = *scanned > first ? *scanned : first;
    const char *previous = memrchr(p, '\n', at);
    size_t line = previous ? (size_t)(previous - p) + 1 : 0;
    for (;;) {
        bool is_first = line == first;
        at = (size_t)(http_find_control(p + at, p + len) - p);
        *scanned = at;
        if (at + 2 > HTTP_MAX_HEAD || at + 2 - line > (is_first ? HTTP_MAX_LINE : HTTP_MAX_FIELD))
            return too_long(at, is_first, error);
        if (at == len || (p[at] == '\r' && at + 1 == len))
            return 0;
        if (p[at] == '\n')
            return http_refuse(error, 400, "a bare LF in the head");
        if (p[at] != '\r')
            return http_refuse(error, 400, "a control byte in the head");
        if (p[at + 1] != '\n')
            return http_refuse(error, 400, "a bare CR in the head");
        if (at == line)
            return is_first ? http_refuse(error, 400, "an empty first line") : (long)at + 2;
        line = at += 2;
    }
}

/* ---- the fields ---- */

/* Eight bytes, or four, of a name: letters in lower case. */
static inline uint64_t lower_8(const char *p)
{
    uint64_t bytes;
    memcpy(&bytes, p, 8);
    return bytes | 0x2020202020202020;
}

static inline uint32_t lower_4(const char *p)
{
    uint32_t bytes;
    memcpy(&bytes, p, 4);
    return bytes | 0x20202020;
}

/* `lower` is in lower case and of `len` bytes, at least 4, as is the name, which holds token bytes only. Two loads overlap where they must. */
static inline __attribute__((always_inline)) bool is_name(struct str name, const char *lower, size_t len)
{
    if (len < 8)
        return lower_4(name.p) == lower_4(lower) && lower_4(name.p + (len - 4)) == lower_4(lower + (len - 4));
    for (size_t at = 0; at + 8 <= len; at += 8)
        if (lower_8(name.p + at) != lower_8(lower + at))
            return false;
    size_t last = len - 8;
    return lower_8(name.p + last) == lower_8(lower + last);
}

static bool next_item(struct str *list, struct str *item)
{
    if (list->len == 0)
        return false;
    const char *end = list->p + list->len;
    const char *comma = memchr(list->p, ',', list->len);
    *item = trim(list->p, comma ? comma : end);
    *list = comma ? str_n(comma + 1, (size_t)(end - comma - 1)) : str_n(end, 0);
    return true;
}

static void note_connection(struct http_notes *notes, struct str value)
{
    for (struct str item; next_item(&value, &item);) {
        notes->close |= str_ieq(item, "close");
        notes->keep_alive |= str_ieq(item, "keep-alive");
    }
}

static void note_field(struct http_notes *notes, const struct http_field *field)
{
    struct str name = field->name;
    switch (name.len) {
    case 4:
        if (is_name(name, "host", 4)) {
            notes->host = field->value;
            notes->hosts++;
        }
        break;
    case 6:
        if (is_name(name, "expect", 6))
            notes->expect = field->value;
        break;
    case 10:
        if (is_name(name, "connection", 10))
            note_connection(notes, field->value);
        break;
    case 12:
        notes->types += is_name(name, "content-type", 12);
        break;
    case 14:
        if (is_name(name, "content-length", 14)) {
            notes->length = field->value;
            notes->lengths++;
        }
        break;
    case 17:
        if (is_name(name, "transfer-encoding", 17)) {
            notes->coding = field->value;
            notes->codings++;
        }
        break;
    }
}

static const char *bad_name(const char *line, const char *at)
{
    if (*line == ' ' || *line == '\t')
        return "a folded field line";
    if (*at == ' ' || *at == '\t')
        return "a blank before a field's colon";
    return "a field name that is no token";
}

int http_fields_split(struct http_head *head, const char *p, const char *end,
                      struct http_notes *notes, struct http_error *error)
{
    head->count = 0;
    while (*p != '\r') {
        const char *line = p;
        p = http_skip_name(p, end);
        if (*p != ':' || p == line)
            return http_refuse(error, 400, bad_name(line, p));
        if (head->count == HTTP_MAX_FIELDS)
            return http_refuse(error, 431, "over 100 fields");
        const char *stop = http_find_control(p + 1, end);
        struct http_field *field = &head->fields[head->count++];
        *field = (struct http_field){str_n(line, (size_t)(p - line)), trim(p + 1, stop)};
        note_field(notes, field);
        p = stop + 2;
    }
    return 0;
}

/* ---- framing ---- */

static int parse_length(struct str digits, uint64_t *out, struct http_error *error)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++)
        if (!http_is(digits.p[i], HTTP_DIGIT))
            return http_refuse(error, 400, "a Content-Length that is no number");
    if (digits.len == 0)
        return http_refuse(error, 400, "an empty Content-Length");
    for (size_t i = 0; i < digits.len; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digits.p[i] - '0'), &value))
            return http_refuse(error, 413, "a Content-Length over 2^64");
    }
    *out = value;
    return 0;
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!http_is(s.p[i], HTTP_TCHAR))
            return false;
    return s.len > 0;
}

int http_fields_framing(struct http_head *head, const struct http_notes *notes,
                        struct http_error *error)
{
    head->framing = HTTP_NO_BODY;
    head->length = 0;
    if (notes->codings > 0 && notes->lengths > 0)
        return http_refuse(error, 400, "Content-Length with Transfer-Encoding");
    if (notes->lengths > 1)
        return http_refuse(error, 400, "several Content-Length fields");
    if (notes->codings > 1)
        return http_refuse(error, 400, "several Transfer-Encoding fields");
    if (notes->lengths == 1) {
        head->framing = HTTP_LENGTH;
        return parse_length(notes->length, &head->length, error);
    }
    if (notes->codings == 0)
        return 0;
    if (head->minor == 0)
        return http_refuse(error, 400, "Transfer-Encoding in HTTP/1.0");
    if (!str_ieq(notes->coding, "chunked"))
        return http_refuse(error, is_token(notes->coding) ? 501 : 400,
                           "a Transfer-Encoding other than chunked");
    head->framing = HTTP_CHUNKED;
    return 0;
}
