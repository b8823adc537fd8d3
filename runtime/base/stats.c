#include "base/stats.h"

#include <string.h>

#include "base/clock.h"

static const struct {
    const char *metric, *type, *help;
} STATS[] = {
#define STAT(name, metric, type, help) {metric, type, help},
#include "base/stats.def"
#undef STAT
};

void stats_observe(_Atomic uint64_t *buckets, uint64_t us)
{
    uint64_t steps = us > 0 ? (us - 1) / 100 : 0; /* a bucket includes its upper bound */
    int i = steps ? 64 - __builtin_clzll(steps) : 0;
    if (i >= STATS_BUCKETS)
        i = STATS_BUCKETS - 1;
    atomic_fetch_add_explicit(&buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&buckets[STATS_BUCKETS], us, memory_order_relaxed);
}

void stats_generation(struct stats_slot *s, unsigned id, bool script_error)
{
    unsigned i = id % STATS_GENERATIONS;
    if (atomic_load_explicit(&s->generations[i].id, memory_order_relaxed) != id) {
        atomic_store_explicit(&s->generations[i].requests, 0, memory_order_relaxed);
        atomic_store_explicit(&s->generations[i].script_errors, 0, memory_order_relaxed);
        atomic_store_explicit(&s->generations[i].id, id, memory_order_release);
    }
    atomic_fetch_add_explicit(&s->generations[i].requests, 1, memory_order_relaxed);
    if (script_error)
        atomic_fetch_add_explicit(&s->generations[i].script_errors, 1, memory_order_relaxed);
}

void stats_begin(struct stats_slot *s, int pid)
{
    for (int i = 0; i < STAT_COUNT; i++)
        if (strcmp(STATS[i].type, "gauge") == 0)
            atomic_store(&s->counters[i], 0);
    atomic_store(&s->script_generation, 0);
    atomic_store(&s->live_generation, 0);
    atomic_store(&s->heartbeat_ms, clock_ms());
    atomic_store(&s->pid, pid);
}

const char *stats_metric(enum stats_counter which)
{
    return STATS[which].metric;
}

const char *stats_type(enum stats_counter which)
{
    return STATS[which].type;
}

const char *stats_help(enum stats_counter which)
{
    return STATS[which].help;
}
