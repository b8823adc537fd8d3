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

/* The first control byte in [p, end); `end` when there is none. CR and LF are control bytes. */
static inline const char *http_find_control(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f), last = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)p);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last), bytes);
        __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low),
                                   _mm_cmpeq_epi8(bytes, del));
        int mask = _mm_movemask_epi8(bad);
        if (mask != 0)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && !http_is(*p, HTTP_CONTROL))
        p++;
    return p;
}
