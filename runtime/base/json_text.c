#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_scan.h"

/* What is between the quotes; {NULL, 0} when the value is no string. */
static struct str inside(struct str value)
{
    if (value.len < 2 || value.p[0] != '"')
        return (struct str){NULL, 0};
    return str_n(value.p + 1, value.len - 2);
}

struct str json_text(struct str value, struct arena *arena)
{
    struct str raw = inside(value);
    /* No escape is shorter than what it stands for. */
    char *out = raw.p ? arena_alloc(arena, raw.len + 1) : NULL;
    if (out == NULL)
        return (struct str){NULL, 0};
    const char *p = raw.p, *end = raw.p + raw.len;
    size_t len = 0;
    while (p < end) {
        const char *back = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((back ? back : end) - p);
        memcpy(out + len, p, run);
        len += run;
        p += run;
        if (back != NULL)
            len += (size_t)json_scan_escape(&p, end, out + len);
    }
    out[len] = '\0';
    return str_n(out, len);
}

struct str json_plain(struct str value)
{
    struct str raw = inside(value);
    if (raw.p == NULL || memchr(raw.p, '\\', raw.len) != NULL)
        return (struct str){NULL, 0};
    return raw;
}

bool json_number(struct str value, double *out)
{
    char digits[512];
    if (json_type(value) != JSON_NUMBER || value.len >= sizeof digits)
        return false;
    memcpy(digits, value.p, value.len);
    digits[value.len] = '\0';
    *out = strtod(digits, NULL);
    return isfinite(*out);
}

bool json_integer(struct str value, int64_t *out)
{
    bool is_negative = value.len > 0 && value.p[0] == '-';
    int64_t sum = 0;
    if (value.len == is_negative)
        return false;
    for (size_t i = is_negative; i < value.len; i++) {
        int digit = value.p[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, digit, &sum))
            return false;
    }
    /* Summed below zero, where there is one more value. */
    *out = sum;
    return is_negative || !__builtin_sub_overflow(0, sum, out);
}

/* The escape of a byte that cannot stand for itself. */
static int quote_byte(struct buf *out, char c)
{
    static const char bytes[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = memchr(bytes, c, sizeof bytes - 1);
    if (found == NULL)
        return buf_printf(out, "\\u%04x", (unsigned char)c);
    char pair[2] = {'\\', letters[found - bytes]};
    return buf_append(out, pair, 2);
}

static int quote_inside(struct buf *out, struct str text)
{
    const char *p = text.p, *end = text.p + text.len;
    while (p < end) {
        const char *special = json_scan_special(p, end);
        if (special > p && buf_append(out, p, (size_t)(special - p)) < 0)
            return -1;
        p = special;
        if (p == end)
            return 0;
        if (!(*p & 0x80)) {
            if (quote_byte(out, *p++) < 0)
                return -1;
            continue;
        }
        int len = json_scan_utf8(p, end);
        if (buf_append(out, len ? p : "\xef\xbf\xbd", len ? (size_t)len : 3) < 0)
            return -1;
        p += len ? len : 1;
    }
    return 0;
}

int json_quote(struct buf *out, struct str text)
{
    if (text.p == NULL)
        text.p = "";
    size_t before = out->len;
    if (buf_putc(out, '"') == 0 && quote_inside(out, text) == 0 && buf_putc(out, '"') == 0)
        return 0;
    if (out->p != NULL)
        out->p[before] = '\0';
    out->len = before;
    return -1;
}

int json_quote_z(struct buf *out, const char *text)
{
    return text ? json_quote(out, str_of(text)) : buf_puts(out, "null");
}
