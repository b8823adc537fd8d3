/*
 * watchdog: ends a worker whose loop no longer turns, and says which generation's script held it.
 *
 * A worker is stuck when its heartbeat is over a second old while it burnt half a second of CPU since, or was stopped by a signal: on a machine that is merely
 * slow, or woke from sleep, the second passes without the CPU. One that sleeps in the kernel has ten seconds; one in a debugger is let be.
 */
#pragma once

#include "proc/crew.h"

enum { WATCHDOG_TICK_MS = 100 };

struct watchdog {
    struct crew *crew;
    struct timer tick;
    uint64_t last_ms; /* when it last looked */
    void (*blame)(void *ctx, unsigned generation); /* its script ran when the worker was killed */
    void *ctx;
};

/* crew, blame and ctx are set. */
void watchdog_open(struct watchdog *w);
void watchdog_close(struct watchdog *w);
