/*
 * json_block: 64 bytes at once as bit masks, bit i for byte i. Internal to json*.c, and only where SSE2 exists.
 *
 * The escape arithmetic is that of Langdale and Lemire, "Parsing gigabytes of JSON per second" (2019), section 3.1.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>

struct json_block {
    __m128i part[4];
};

static inline struct json_block json_block(const char *p)
{
    const __m128i *at = (const __m128i *)p;
    return (struct json_block){{_mm_loadu_si128(at), _mm_loadu_si128(at + 1),
                                _mm_loadu_si128(at + 2), _mm_loadu_si128(at + 3)}};
}

static inline uint64_t json_block_join(__m128i a, __m128i b, __m128i c, __m128i d)
{
    uint64_t low = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
    uint64_t high = (uint32_t)_mm_movemask_epi8(c) | (uint32_t)_mm_movemask_epi8(d) << 16;
    return low | high << 32;
}

/* Where (byte | bits) == c. */
static inline uint64_t json_block_find(const struct json_block *b, char c, char bits)
{
    __m128i want = _mm_set1_epi8(c), set = _mm_set1_epi8(bits), found[4];
    for (int i = 0; i < 4; i++)
        found[i] = _mm_cmpeq_epi8(_mm_or_si128(b->part[i], set), want);
    return json_block_join(found[0], found[1], found[2], found[3]);
}

static inline bool json_block_has(const struct json_block *b, char c)
{
    __m128i want = _mm_set1_epi8(c);
    __m128i low = _mm_or_si128(_mm_cmpeq_epi8(b->part[0], want), _mm_cmpeq_epi8(b->part[1], want));
    __m128i high = _mm_or_si128(_mm_cmpeq_epi8(b->part[2], want), _mm_cmpeq_epi8(b->part[3], want));
    return _mm_movemask_epi8(_mm_or_si128(low, high)) != 0;
}

/* Which bytes the backslashes escape. *carry: the last block's final backslash escapes this one's first byte. */
static inline uint64_t json_block_escaped(uint64_t backslashes, uint64_t *carry)
{
    const uint64_t even = UINT64_C(0x5555555555555555);
    if (backslashes == 0) {
        uint64_t first = *carry;
        *carry = 0;
        return first;
    }
    backslashes &= ~*carry;
    uint64_t follows = backslashes << 1 | *carry;
    uint64_t odd_starts = backslashes & ~even & ~follows, sequences;
    *carry = __builtin_add_overflow(odd_starts, backslashes, &sequences);
    return (even ^ sequences << 1) & follows;
}

/* Bit i: whether an odd number of the bits up to i is set. */
static inline uint64_t json_block_inside(uint64_t quotes)
{
    for (int shift = 1; shift < 64; shift *= 2)
        quotes ^= quotes << shift;
    return quotes;
}
#endif
