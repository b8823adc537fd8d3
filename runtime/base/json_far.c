/* The long strings of json_scan.h: 64 bytes a round with AVX2, then 16, then one by one. */
#include "base/json_scan.h"

#ifdef __SSE2__
#include <immintrin.h>

static const char *special_near(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned found = json_scan_specials(_mm_loadu_si128((const __m128i *)p));
        if (found)
            return p + __builtin_ctz(found);
    }
    return json_scan_special(p, end);
}

static const char *quote_near(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned found = json_scan_quotes(_mm_loadu_si128((const __m128i *)p));
        if (found)
            return p + __builtin_ctz(found);
    }
    return json_scan_quote(p, end);
}

/* As json_scan_specials and json_scan_quotes, for 32 bytes. */
__attribute__((target("avx2"))) static inline __m256i specials(__m256i bytes)
{
    __m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8('!'), _mm256_xor_si256(bytes, _mm256_set1_epi8(2)));
    return _mm256_or_si256(low, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')));
}

__attribute__((target("avx2"))) static inline __m256i quotes(__m256i bytes)
{
    return _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"')), _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')));
}

/* The first byte that is set in either. */
__attribute__((target("avx2"))) static inline int first_of(__m256i low, __m256i high)
{
    return __builtin_ctzll((uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32);
}

__attribute__((target("avx2"))) static const char *special_avx2(const char *p, const char *end)
{
    for (; end - p >= 64; p += 64) {
        const __m256i *at = (const __m256i *)p;
        __m256i low = specials(_mm256_loadu_si256(at)), high = specials(_mm256_loadu_si256(at + 1)), both = _mm256_or_si256(low, high);
        if (!_mm256_testz_si256(both, both))
            return p + first_of(low, high);
    }
    return special_near(p, end);
}

__attribute__((target("avx2"))) static const char *quote_avx2(const char *p, const char *end)
{
    for (; end - p >= 64; p += 64) {
        const __m256i *at = (const __m256i *)p;
        __m256i low = quotes(_mm256_loadu_si256(at)), high = quotes(_mm256_loadu_si256(at + 1)), both = _mm256_or_si256(low, high);
        if (!_mm256_testz_si256(both, both))
            return p + first_of(low, high);
    }
    return quote_near(p, end);
}

const char *json_scan_special_far(const char *p, const char *end)
{
    return end - p >= 64 && __builtin_cpu_supports("avx2") ? special_avx2(p, end) : special_near(p, end);
}

const char *json_scan_quote_far(const char *p, const char *end)
{
    return end - p >= 64 && __builtin_cpu_supports("avx2") ? quote_avx2(p, end) : quote_near(p, end);
}
#endif
