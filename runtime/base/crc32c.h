/*
 * crc32c: the Castagnoli checksum (RFC 3720, appendix B.4), by the CPU's own instruction where it has one.
 *
 *     crc32c(0, "123456789", 9) == 0xe3069283
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* `crc` is 0 to begin, or the result so far to go on. */
uint32_t crc32c(uint32_t crc, const void *p, size_t len);

/* The same without the instruction: what crc32c falls back to, and what tests compare it with. */
uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t len);
