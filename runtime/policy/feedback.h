/*
 * feedback: which decisions were made last and by which key, over all workers.
 *
 * Each worker notes the numbers of its newest decisions in a ring of its own, in ascending order; what fell out of it must be looked for in the trace. Who gives a score
 * holds the lock from asking whether there is one (trace/scored.h) until it is written and marked: of many that come at once one is the first.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/stats.h"
#include "policy/lock.h"

enum { FEEDBACK_RECENT = 16384 /* decisions of a worker */ };

#define FEEDBACK_RESULTS(X) X(TAKEN, "taken") X(UNKNOWN, "unknown") X(REPEATED, "repeated") X(INVALID, "invalid") X(BUSY, "busy") X(FAILED, "failed")

enum feedback_result {
#define X(name, text) FEEDBACK_##name,
    FEEDBACK_RESULTS(X)
#undef X
    FEEDBACK_RESULT_COUNT
};

struct feedback {
    struct lock scoring;
    _Atomic uint64_t counts[FEEDBACK_RESULT_COUNT];
    struct {
        _Atomic uint64_t count;
        _Atomic uint64_t numbers[FEEDBACK_RECENT]; /* by count % FEEDBACK_RECENT */
        _Atomic uint16_t owners[FEEDBACK_RECENT];  /* place of the key in policy/keys.h + 1; 0: none */
    } recent[STATS_MAX_WORKERS];
};

const char *feedback_result_name(enum feedback_result result);

/* A worker began a decision, by no key. Called by that worker alone. */
static inline void feedback_note(struct feedback *f, unsigned slot, uint64_t number)
{
    uint64_t count = atomic_load_explicit(&f->recent[slot].count, memory_order_relaxed);
    atomic_store_explicit(&f->recent[slot].owners[count % FEEDBACK_RECENT], 0, memory_order_relaxed);
    atomic_store_explicit(&f->recent[slot].numbers[count % FEEDBACK_RECENT], number, memory_order_relaxed);
    atomic_store_explicit(&f->recent[slot].count, count + 1, memory_order_release);
}

/* The decision that it noted last is one of the key at that place. Before its client knows its id. */
static inline void feedback_own(struct feedback *f, unsigned slot, unsigned key)
{
    uint64_t count = atomic_load_explicit(&f->recent[slot].count, memory_order_relaxed);
    atomic_store_explicit(&f->recent[slot].owners[(count - 1) % FEEDBACK_RECENT], (uint16_t)(key + 1), memory_order_relaxed);
}

/* Is it among the newest of that worker? *key: the place of its key; -1: none. */
bool feedback_is_recent(const struct feedback *f, unsigned slot, uint64_t number, int *key);
