/*
 * http_bytes: what each byte may be in HTTP. Internal to the parsers of this folder.
 *
 * One table of 256 entries answers every membership question, and one scan finds the bytes
 * that end a line or may not occur at all, sixteen at a time where SSE2 exists.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    HTTP_TCHAR = 1,  /* RFC 9110 5.6.2: names and methods */
    HTTP_TARGET = 2, /* visible or above ASCII, but '#' */
    HTTP_HOST = 4,   /* RFC 3986 reg-name, without ',' that would hide a joined list */
    HTTP_DIGIT = 8,
    HTTP_HEX = 16,
    HTTP_CONTROL = 32, /* all below space but TAB, and DEL */
};

extern const uint8_t http_bytes[256];

static inline bool http_is(char c, int classes)
{
    return http_bytes[(unsigned char)c] & classes;
}

#ifdef __SSE2__
/* Bit i: byte i is a control byte. */
static inline unsigned http_controls_16(const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')), low), _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
    return (unsigned)_mm_movemask_epi8(bad);
}

/* Bit i: byte i is no letter and no dash, of which nearly all names are made. */
static inline unsigned http_rare_16(const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i place = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(place, _mm_set1_epi8('z' - 'a')), place);
    return 0xffff ^ (unsigned)_mm_movemask_epi8(_mm_or_si128(is_letter, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'))));
}
#endif

/* The first control byte in [p, end); `end` when there is none. CR and LF are control bytes. */
static inline const char *http_find_control(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        unsigned found = http_controls_16(p);
        if (found != 0)
            return p + __builtin_ctz(found);
    }
#endif
    while (p < end && !http_is(*p, HTTP_CONTROL))
        p++;
    return p;
}

/* The first byte in [p, end) that no name may hold; there is one. */
static inline const char *http_skip_name(const char *p, const char *end)
{
#ifdef __SSE2__
    if (end - p >= 16)
        p += __builtin_ctz(http_rare_16(p) | 0x10000);
#endif
    while (http_is(*p, HTTP_TCHAR))
        p++;
    return p;
}
