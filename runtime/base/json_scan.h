/*
 * json_scan: how json*.c steps over bytes: blanks, strings, whole values. Internal to them.
 *
 * Sixteen bytes at a time where SSE2 exists, sixty-four in long strings (json_far.c). Nothing reads at or past `end`, on invalid input too; what
 * a valid value would have there is then `end` itself.
 */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_scan_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *json_scan_blanks(const char *p, const char *end)
{
    if (__builtin_expect(p < end && *p > ' ', 1)) /* compact JSON has none */
        return p;
    while (p < end && json_scan_is_blank(*p))
        p++;
    return p;
}

/* The same two for what does not lie in the first 16 bytes: with AVX2 where the processor has it. */
const char *json_scan_special_far(const char *p, const char *end);
const char *json_scan_quote_far(const char *p, const char *end);

/* From the start of a sequence in a string past what is surely ordinary text, to the start of another one (json_utf8.c). */
const char *json_scan_utf8_far(const char *p, const char *end);

#ifdef __SSE2__
/* Bit i: byte i is a quote, a backslash, a control byte or above ASCII. With bit 1 flipped a quote is next to the control bytes; signed,
 * bytes above ASCII are below them. */
static inline unsigned json_scan_specials(__m128i bytes)
{
    __m128i low = _mm_cmplt_epi8(_mm_xor_si128(bytes, _mm_set1_epi8(2)), _mm_set1_epi8('!'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
}

/* Bit i: byte i is a quote or a backslash. */
static inline unsigned json_scan_quotes(__m128i bytes)
{
    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
}
#endif

/* The first quote, backslash, control byte or byte above ASCII: what validation must look at in a string. */
static inline const char *json_scan_special(const char *p, const char *end)
{
#ifdef __SSE2__
    if (__builtin_expect(end - p >= 16, 1)) {
        unsigned found = json_scan_specials(_mm_loadu_si128((const __m128i *)p));
        return found ? p + __builtin_ctz(found) : json_scan_special_far(p + 16, end);
    }
#endif
    while (p < end && *(const signed char *)p >= ' ' && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* The first quote or backslash. */
static inline const char *json_scan_quote(const char *p, const char *end)
{
#ifdef __SSE2__
    if (__builtin_expect(end - p >= 16, 1)) {
        unsigned found = json_scan_quotes(_mm_loadu_si128((const __m128i *)p));
        return found ? p + __builtin_ctz(found) : json_scan_quote_far(p + 16, end);
    }
#endif
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* From after the opening quote to the closing one. */
static inline const char *json_scan_string(const char *p, const char *end)
{
    for (;;) {
        p = json_scan_quote(p, end);
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
    if (p < end && p == key.p && *p != '\\')
        return false;
    if (memchr(key.p, '\\', key.len) == NULL)
        return p == end && *at == '\0';
    return json_key_is(key, str_of(name));
}

/* Which of the names, that hold no backslash, the key spells; -1: none. */
static inline int json_scan_find(struct str key, const struct str *names, int count)
{
    for (int i = 0; i < count; i++)
        if (names[i].len == key.len && str_same_bytes(names[i].p, key.p, key.len))
            return i;
    if (memchr(key.p, '\\', key.len) == NULL)
        return -1;
    for (int i = 0; i < count; i++)
        if (json_key_is(key, names[i]))
            return i;
    return -1;
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
