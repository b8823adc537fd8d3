/*
 * warm: the generations that every worker holds ready, as the master knows them: the live one, the newest RELOAD_OLDER before it, and one that comes.
 *
 * A generation's bytes lie in a memory file, so that the master stays small and a worker that starts later gets the very same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/stats.h"
#include "proc/loader.h"

enum { WARM_OLDER = 3, WARM_MOST = WARM_OLDER + 3, WARM_KILLS = 3 };

struct warm {
    unsigned id; /* 0: free */
    char hash[65];
    int files, memory;  /* how many; the memory file */
    uint64_t loaded_us; /* wall */
    uint64_t touched;   /* order of last use */
    unsigned kills;     /* by the watchdog, in its script */
    bool is_quarantined;
    struct collector otlp; /* where its decisions are sent; zeroed: nowhere */
};

struct warm_table {
    struct warm all[WARM_MOST];
    unsigned newest; /* the last id given */
    uint64_t touches;
};

void warm_open(struct warm_table *t);
void warm_close(struct warm_table *t);

/* NULL for 0 and for one that is not warm. */
struct warm *warm_find(struct warm_table *t, unsigned id);

/* One of these very files that is not quarantined; NULL when there is none. */
struct warm *warm_same(struct warm_table *t, const char *hash);

/* A new generation of these bytes, under the next id. Takes the descriptor over. */
struct warm *warm_add(struct warm_table *t, const struct loader_result *result, int memory);
void warm_forget(struct warm *w);
void warm_touch(struct warm_table *t, struct warm *w);

/* One too many beside those that must stay: the one used longest ago. NULL when there is room. */
struct warm *warm_surplus(struct warm_table *t, unsigned live, unsigned coming, unsigned canary);

/* Requests and script errors of a generation over all workers. */
struct tally {
    uint64_t requests, script_errors;
};
struct tally warm_tally(const struct stats_board *board, unsigned id);
