/* hex: numbers as hexadecimal digits. */
#pragma once

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first digit is in the lowest byte");

/* Eight digits in lower case, as they lie in memory. */
static inline uint64_t hex_eight(uint32_t n)
{
    uint64_t x = __builtin_bswap32(n);
    x = (x << 16 | x) & 0x0000ffff0000ffff;
    x = (x << 8 | x) & 0x00ff00ff00ff00ff;
    x = (x >> 4 | x << 8) & 0x0f0f0f0f0f0f0f0f;
    uint64_t is_letter = (x + 0x0606060606060606) >> 4 & 0x0101010101010101;
    return x + 0x3030303030303030 + is_letter * ('a' - '0' - 10);
}

/* Sixteen digits, without a NUL. */
static inline void hex_put(uint64_t n, char out[16])
{
    uint64_t high = hex_eight((uint32_t)(n >> 32)), low = hex_eight((uint32_t)n);
    memcpy(out, &high, 8);
    memcpy(out + 8, &low, 8);
}
