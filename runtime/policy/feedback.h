/*
 * feedback: which decisions may still be scored, and which have been, over all workers.
 *
 * Each worker notes the numbers of its newest decisions in a ring of its own, in ascending order; what fell out of it must be looked for in the trace. Scores
 * given are kept in a bounded table, so that no decision is scored twice by one metric; readers of the trace take the first all the same.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/stats.h"
#include "base/str.h"
#include "policy/table.h"

enum { FEEDBACK_RECENT = 16384 /* decisions of a worker */, FEEDBACK_MEGABYTES = 8 };

#define FEEDBACK_RESULTS(X) X(TAKEN, "taken") X(UNKNOWN, "unknown") X(REPEATED, "repeated") X(INVALID, "invalid") X(BUSY, "busy")

enum feedback_result {
#define X(name, text) FEEDBACK_##name,
    FEEDBACK_RESULTS(X)
#undef X
    FEEDBACK_RESULT_COUNT
};

struct feedback {
    struct table *scored;
    _Atomic uint64_t counts[FEEDBACK_RESULT_COUNT];
    struct {
        _Atomic uint64_t count;
        _Atomic uint64_t numbers[FEEDBACK_RECENT]; /* by count % FEEDBACK_RECENT */
    } recent[STATS_MAX_WORKERS];
};

const char *feedback_result_name(enum feedback_result result);

/* A worker began a decision. Called by that worker alone. */
static inline void feedback_note(struct feedback *f, unsigned slot, uint64_t number)
{
    uint64_t count = atomic_load_explicit(&f->recent[slot].count, memory_order_relaxed);
    atomic_store_explicit(&f->recent[slot].numbers[count % FEEDBACK_RECENT], number, memory_order_relaxed);
    atomic_store_explicit(&f->recent[slot].count, count + 1, memory_order_release);
}

/* Is it among the newest of that worker? */
bool feedback_is_recent(struct feedback *f, unsigned slot, uint64_t number);

/* `key`: id and metric. */
bool feedback_is_scored(struct feedback *f, struct str key, uint64_t now_ms);
void feedback_scored(struct feedback *f, struct str key, uint64_t now_ms);
