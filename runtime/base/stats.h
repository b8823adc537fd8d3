/*
 * stats: what each worker counts, in shared memory so that the admin process can read it.
 *
 * One slot per worker, written by that worker only (plain adds through relaxed atomics), read by anybody.
 * Counters of a slot survive the worker: its successor goes on from them; gauges are reset by stats_begin.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum stats_counter {
#define STAT(name, ...) STAT_##name,
#include "base/stats.def"
#undef STAT
    STAT_COUNT
};

enum { STATS_MAX_WORKERS = 64, STATS_BUCKETS = 24, STATS_GENERATIONS = 16 };

struct stats_slot {
    _Atomic int pid;
    _Atomic uint64_t heartbeat_ms;      /* clock_ms, each 100 ms from the loop */
    _Atomic unsigned script_generation; /* whose script runs now; 0: none. For blame. */
    _Atomic unsigned live_generation;
    _Atomic uint64_t counters[STAT_COUNT];
    _Atomic uint64_t duration[STATS_BUCKETS + 1];    /* requests by time, bucket i: up to 2^i × 100 µs; behind them the sum in µs */
    _Atomic uint64_t first_token[STATS_BUCKETS + 1]; /* the same for time to first content */
    struct {
        _Atomic unsigned id;
        _Atomic uint64_t requests, script_errors;
    } generations[STATS_GENERATIONS]; /* by id % STATS_GENERATIONS */
};

struct stats_board {
    _Atomic unsigned workers;
    _Atomic unsigned in_flight;       /* over all workers, for limits.concurrent: what their slots' gauges add up to */
    _Atomic uint64_t in_flight_bytes; /* the same for limits.in_flight_mb */
    struct stats_slot slots[STATS_MAX_WORKERS];
};

static inline void stats_add(struct stats_slot *s, enum stats_counter which, int64_t n)
{
    atomic_fetch_add_explicit(&s->counters[which], (uint64_t)n, memory_order_relaxed);
}

void stats_observe(_Atomic uint64_t *buckets, uint64_t us);

/* Counts a request (and a script error) of a generation; the entry is taken over when another id had it. */
void stats_generation(struct stats_slot *s, unsigned id, bool script_error);

/* A (re)started worker takes its slot: pid, heartbeat, gauges to zero. */
void stats_begin(struct stats_slot *s, int pid);

const char *stats_metric(enum stats_counter which);
const char *stats_type(enum stats_counter which);
const char *stats_help(enum stats_counter which);
