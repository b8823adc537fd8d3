/* clock: one place that reads time. Monotonic for deadlines, wall for what people read. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t clock_ns(void);      /* CLOCK_MONOTONIC, nanoseconds */
uint64_t clock_ms(void);      /* the same in milliseconds */
uint64_t clock_last_ns(void); /* what this thread read last: free, and late by what it did since */
uint64_t clock_wall_us(void); /* CLOCK_REALTIME, microseconds since 1970 */

/* RFC 3339 in UTC with milliseconds: "2026-01-02T03:04:05.678Z". `out` holds at least 32 bytes. Returns out. */
char *clock_format(uint64_t wall_us, char *out, size_t size);
