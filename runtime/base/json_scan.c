#include "base/json_scan.h"

#include <stdint.h>

#include "base/json_block.h"

#ifdef __SSE2__
/* The quotes and brackets of one block, and what the block before leaves to it. */
struct depth {
    uint64_t escape, in_string; /* carries: 0 or 1, none or all */
    int count;                  /* open brackets */
};

/* The length of the container's part of the block when it ends in it, else 0. */
static int close_in_block(struct depth *d, const char *p)
{
    struct json_block block = json_block(p);
    /* The inside of a long text: nothing in it matters to the next block. */
    if (d->in_string != 0 && p[63] != '\\' && !json_block_has(&block, '"')) {
        d->escape = 0;
        return 0;
    }
    uint64_t quotes = json_block_find(&block, '"', 0);
    uint64_t escaped = json_block_escaped(json_block_find(&block, '\\', 0), &d->escape);
    uint64_t inside = json_block_inside(quotes & ~escaped) ^ d->in_string;
    d->in_string = inside >> 63 ? UINT64_MAX : 0;
    /* '[' and '{', ']' and '}' differ in one bit only. */
    uint64_t opens = json_block_find(&block, '{', 0x20) & ~inside;
    uint64_t closes = json_block_find(&block, '}', 0x20) & ~inside;
    for (uint64_t left = opens | closes; left != 0; left &= left - 1) {
        d->count += opens & left & -left ? 1 : -1;
        if (d->count <= 0)
            return __builtin_ctzll(left) + 1;
    }
    return 0;
}

static const char *skip_container(const char *p, const char *end)
{
    struct depth d = {0};
    for (; end - p >= 64; p += 64) {
        int len = close_in_block(&d, p);
        if (len > 0)
            return p + len;
    }
    char rest[64] = {0};
    memcpy(rest, p, (size_t)(end - p));
    int len = close_in_block(&d, rest);
    return len > 0 ? p + len : end;
}
#else
static const char *skip_container(const char *p, const char *end)
{
    int depth = 0;
    while (p < end) {
        char c = *p++;
        if (c == '"') {
            p = json_scan_string(p, end);
            p += p < end;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth <= 0) {
            return p;
        }
    }
    return end;
}
#endif

const char *json_scan_value(const char *p, const char *end)
{
    if (p == end)
        return end;
    if (*p == '"') {
        p = json_scan_string(p + 1, end);
        return p + (p < end);
    }
    if (*p == '{' || *p == '[')
        return skip_container(p, end);
    while (p < end && *p != ',' && *p != '}' && *p != ']' && (unsigned char)*p > ' ')
        p++;
    return p;
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static uint32_t hex_unit(const char *p)
{
    return hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 | hex_digit(p[2]) << 4 | hex_digit(p[3]);
}

static int encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    int len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[len] | code);
    return len;
}

/* "\uXXXX" at *p, and its second half when it is a pair. */
static uint32_t take_unit(const char **p, const char *end)
{
    uint32_t code = hex_unit(*p + 2);
    *p += 6;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        uint32_t low = hex_unit(*p + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *p += 6;
            return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return 0xfffd;
}

int json_scan_escape(const char **p, const char *end, char out[4])
{
    static const char letters[] = "bfnrt", bytes[] = "\b\f\n\r\t";
    char c = end - *p > 1 ? (*p)[1] : '\\';
    if (c == 'u' && end - *p >= 6)
        return encode(take_unit(p, end), out);
    const char *letter = memchr(letters, c, sizeof letters - 1);
    out[0] = letter ? bytes[letter - letters] : c;
    *p += end - *p > 1 ? 2 : 1;
    return 1;
}
