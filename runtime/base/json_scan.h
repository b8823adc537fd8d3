/*
 * json_scan: how json*.c steps over bytes: blanks, strings, whole values. Internal to them.
 *
 * Sixteen bytes at a time where SSE2 exists. Nothing reads at or past `end`, on invalid input too; what
 * a valid value would have there is then `end` itself.
 */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline const char *json_scan_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* The first quote, backslash, control byte or byte above ASCII: what validation must look at in a string. */
static inline const char *json_scan_special(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\'),
                  space = _mm_set1_epi8(' ');
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)p);
        /* Signed: bytes above ASCII are below space too. */
        __m128i found =
            _mm_or_si128(_mm_cmplt_epi8(bytes, space),
                         _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, back)));
        int mask = _mm_movemask_epi8(found);
        if (mask != 0)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && *(const signed char *)p >= ' ' && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* From after the opening quote to the closing one. */
static inline const char *json_scan_string(const char *p, const char *end)
{
    for (;;) {
#ifdef __SSE2__
        const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\');
        for (; end - p >= 16; p += 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)p);
            int mask = _mm_movemask_epi8(
                _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, back)));
            if (mask != 0) {
                p += __builtin_ctz((unsigned)mask);
                break;
            }
        }
#endif
        while (p < end && *p != '"' && *p != '\\')
            p++;
        if (p == end || *p == '"')
            return p;
        p += end - p > 1 ? 2 : 1;
    }
}

/* json_key_is for a NUL-terminated name: mostly decided by the first byte. */
static inline bool json_scan_key_is(struct str key, const char *name)
{
    const char *p = key.p, *end = key.p + key.len, *at = name;
    while (p < end && *p == *at)
        p++, at++;
    if (p == end)
        return *at == '\0';
    return *p == '\\' && json_key_is(key, str_of(name));
}

/* From the first byte of a value to after its last. */
const char *json_scan_value(const char *p, const char *end);

/* Takes one escape, *p being at its backslash, and writes its 1 to 4 bytes of UTF-8 (U+FFFD for half a surrogate pair). */
int json_scan_escape(const char **p, const char *end, char out[4]);

static inline bool json_scan_is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* How many bytes the UTF-8 sequence at p < end has; 0 when it is invalid or cut (RFC 3629). */
static inline int json_scan_utf8(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;
    ptrdiff_t left = end - at;
    if (p[0] < 0x80)
        return 1;
    if (left < 2 || p[0] < 0xc2 || !json_scan_is_tail(p[1]))
        return 0;
    if (p[0] < 0xe0)
        return 2;
    if (left < 3 || !json_scan_is_tail(p[2]))
        return 0;
    if (p[0] < 0xf0) {
        bool is_short = p[0] == 0xe0 && p[1] < 0xa0;
        bool is_surrogate = p[0] == 0xed && p[1] > 0x9f;
        return is_short || is_surrogate ? 0 : 3;
    }
    bool is_short = p[0] == 0xf0 && p[1] < 0x90;
    bool is_high = p[0] > 0xf4 || (p[0] == 0xf4 && p[1] > 0x8f);
    return left < 4 || is_short || is_high || !json_scan_is_tail(p[3]) ? 0 : 4;
}
