#include "base/crc32c.h"

#include <stdbool.h>
#include <string.h>

/* Four bits at a time: 64 bytes of table, and only CPUs without the instruction come here. */
static const uint32_t NIBBLES[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t len)
{
    const uint8_t *at = p;
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ NIBBLES[crc & 15];
        crc = crc >> 4 ^ NIBBLES[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)

#define TARGET __attribute__((target("sse4.2")))
#define STEP_8(crc, v) (uint32_t) __builtin_ia32_crc32di(crc, v)
#define STEP_1(crc, v) __builtin_ia32_crc32qi(crc, v)

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}

#elif defined(__aarch64__)

#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#define TARGET __attribute__((target("+crc")))
#define STEP_8(crc, v) __crc32cd(crc, v)
#define STEP_1(crc, v) __crc32cb(crc, v)

static bool has_instruction(void)
{
    return getauxval(AT_HWCAP) & HWCAP_CRC32;
}

#endif

#ifdef TARGET
TARGET static uint32_t by_instruction(uint32_t crc, const void *p, size_t len)
{
    const uint8_t *at = p;
    crc = ~crc;
#pragma GCC unroll 4
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t eight;
        memcpy(&eight, at, 8);
        crc = STEP_8(crc, eight);
    }
    for (; len > 0; at++, len--)
        crc = STEP_1(crc, *at);
    return ~crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t len)
{
#ifdef TARGET
    if (has_instruction())
        return by_instruction(crc, p, len);
#endif
    return crc32c_by_table(crc, p, len);
}
