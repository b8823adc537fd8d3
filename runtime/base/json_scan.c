#include "base/json_scan.h"

#include <stdint.h>

/* The first quote or bracket of either kind. */
static const char *find_structure(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), bit = _mm_set1_epi8(0x20);
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)p);
        /* '[' and '{', ']' and '}' differ in this bit only. */
        __m128i folded = _mm_or_si128(bytes, bit);
        __m128i brackets =
            _mm_or_si128(_mm_cmpeq_epi8(folded, open), _mm_cmpeq_epi8(folded, close));
        int mask = _mm_movemask_epi8(_mm_or_si128(brackets, _mm_cmpeq_epi8(bytes, quote)));
        if (mask != 0)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}')
        p++;
    return p;
}

static const char *skip_container(const char *p, const char *end)
{
    int depth = 0;
    while ((p = find_structure(p, end)) < end) {
        char c = *p++;
        if (c == '"') {
            p = json_scan_string(p, end);
            p += p < end;
        } else if ((c | 0x20) == '{') {
            depth++;
        } else if (--depth <= 0) {
            return p;
        }
    }
    return end;
}

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

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

int json_scan_utf8(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;
    ptrdiff_t left = end - at;
    if (left >= 1 && p[0] < 0x80)
        return 1;
    if (left >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf)
        return is_tail(p[1]) ? 2 : 0;
    if (left >= 3 && (p[0] & 0xf0) == 0xe0) {
        bool is_short = p[0] == 0xe0 && p[1] < 0xa0;
        bool is_surrogate = p[0] == 0xed && p[1] > 0x9f;
        return is_tail(p[1]) && is_tail(p[2]) && !is_short && !is_surrogate ? 3 : 0;
    }
    if (left >= 4 && p[0] >= 0xf0 && p[0] <= 0xf4) {
        bool is_short = p[0] == 0xf0 && p[1] < 0x90;
        bool is_high = p[0] == 0xf4 && p[1] > 0x8f;
        return is_tail(p[1]) && is_tail(p[2]) && is_tail(p[3]) && !is_short && !is_high ? 4 : 0;
    }
    return 0;
}
