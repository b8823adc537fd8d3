/*
 * Text above ASCII in strings, 32 bytes a round with AVX2. Where this stops, the readers of json.c go on byte by byte: it need not say why, only
 * never pass over what they would refuse. After Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte" (2021).
 */
#include "base/json_scan.h"

#ifdef __SSE2__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

/* What two bytes in a row can be guilty of. Each of three lookups says what is still possible by its half byte; what all three say is the case. */
enum {
    TOO_SHORT = 1, /* a lead byte or ASCII where a tail must come */
    TOO_LONG = 2,  /* a tail behind ASCII */
    OVERLONG_3 = 4,
    TOO_LARGE = 8,
    SURROGATE = 16,
    OVERLONG_2 = 32,
    TOO_LARGE_1000 = 64, /* above U+10FFFF by its lead byte alone; */
    OVERLONG_4 = 64,     /* a second byte tells it from this one */
    TWO_TAILS = 128,     /* fine where a sequence of three or four is under way */
    CARRY = TOO_SHORT | TOO_LONG | TWO_TAILS,
    LARGE = CARRY | TOO_LARGE | TOO_LARGE_1000,
    TAIL = TOO_LONG | OVERLONG_2 | TWO_TAILS,
};

AVX2 static inline __m256i look_up(const uint8_t table[16], __m256i halves)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)), halves);
}

AVX2 static inline __m256i high_half(__m256i bytes)
{
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
}

/* Zero where the bytes are UTF-8, as far as they and those `before` them tell. */
AVX2 static inline __m256i wrong(__m256i bytes, __m256i before)
{
    static const uint8_t FIRST_HIGH[16] = {
        TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
        TWO_TAILS, TWO_TAILS, TWO_TAILS, TWO_TAILS,
        TOO_SHORT | OVERLONG_2, TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4};
    static const uint8_t FIRST_LOW[16] = {
        CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4, CARRY | OVERLONG_2, CARRY, CARRY, CARRY | TOO_LARGE,
        LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE | SURROGATE, LARGE, LARGE};
    static const uint8_t SECOND_HIGH[16] = {
        TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
        TAIL | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4, TAIL | OVERLONG_3 | TOO_LARGE, TAIL | SURROGATE | TOO_LARGE, TAIL | SURROGATE | TOO_LARGE,
        TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT};
    __m256i across = _mm256_permute2x128_si256(before, bytes, 0x21);
    __m256i back_1 = _mm256_alignr_epi8(bytes, across, 15), back_2 = _mm256_alignr_epi8(bytes, across, 14), back_3 = _mm256_alignr_epi8(bytes, across, 13);
    __m256i pairs = _mm256_and_si256(_mm256_and_si256(look_up(FIRST_HIGH, high_half(back_1)), look_up(FIRST_LOW, _mm256_and_si256(back_1, _mm256_set1_epi8(15)))),
                                     look_up(SECOND_HIGH, high_half(bytes)));
    /* The third byte of three and the third and fourth of four are tails behind tails. */
    __m256i third = _mm256_subs_epu8(back_2, _mm256_set1_epi8(0xe0 - 0x80)), fourth = _mm256_subs_epu8(back_3, _mm256_set1_epi8((char)(0xf0 - 0x80)));
    __m256i due = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(due, pairs);
}

/* Quotes, backslashes and control bytes. */
AVX2 static inline __m256i stops(__m256i bytes)
{
    __m256i is_control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    return _mm256_or_si256(is_control, _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"')), _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'))));
}

/* To the first byte of a sequence that ends at or behind p, when it began at or behind `from`. */
static const char *whole(const char *p, const char *from)
{
    for (int i = 1; i <= 3 && p - i >= from; i++) {
        unsigned char c = (unsigned char)p[-i];
        if (c >= 0xc0)
            return (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) > i ? p - i : p;
        if (c < 0x80)
            break;
    }
    return p;
}

AVX2 static const char *utf8_avx2(const char *from, const char *end)
{
    const char *p = from;
    __m256i before = _mm256_setzero_si256();
    for (; end - p >= 32; p += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)p), found = _mm256_or_si256(wrong(bytes, before), stops(bytes));
        if (!_mm256_testz_si256(found, found))
            break;
        before = bytes;
    }
    return whole(p, from);
}
#endif

const char *json_scan_utf8_far(const char *p, const char *end)
{
#ifdef __SSE2__
    if (end - p >= 32 && __builtin_cpu_supports("avx2"))
        return utf8_avx2(p, end);
#endif
    return p;
}
