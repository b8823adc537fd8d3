#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static _Thread_local uint64_t last;

uint64_t clock_ns(void)
{
    return last = read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_last_ns(void)
{
    return last;
}

uint64_t clock_ms(void)
{
    return clock_ns() / 1000000u;
}

uint64_t clock_wall_us(void)
{
    return read_ns(CLOCK_REALTIME) / 1000u;
}

char *clock_format(uint64_t wall_us, char *out, size_t size)
{
    time_t seconds = (time_t)(wall_us / 1000000u);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, size - n, ".%03uZ", (unsigned)(wall_us / 1000u % 1000u));
    return out;
}
