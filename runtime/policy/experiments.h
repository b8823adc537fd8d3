/*
 * experiments: the experiments that routes define, in shared memory: who they are and how traffic is split between their arms now.
 *
 * An experiment is known by name and salt; its arms never change under them, since units would change arms. Weights come from the source that was
 * used last; `wye ab ramp`, `wye ab stop` and the bandit change them until the source's own change. Readers take no lock: a split is
 * written whole into the next of four places before it is named. Writers hold the lock, for microseconds.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "policy/lock.h"

enum { EXPERIMENTS_MOST = 128, EXPERIMENTS_KEPT = 96 /* of those, over a restart */, EXPERIMENT_ARMS = 16, EXPERIMENT_NAME = 64, EXPERIMENT_ARM_NAME = 32, EXPERIMENT_DESIGN = 1536, EXPERIMENT_SPLITS = 4 };

/* Who set a split. */
#define SPLIT_ORIGINS(X) X(SOURCE, "source") X(RAMP, "ramp") X(BANDIT, "bandit") X(STOP, "stop")

enum split_origin {
#define X(name, text) SPLIT_##name,
    SPLIT_ORIGINS(X)
#undef X
    SPLIT_ORIGIN_COUNT
};

struct split {
    double weights[EXPERIMENT_ARMS]; /* add up to 1 */
    uint64_t since_us;               /* wall clock */
    int origin;                      /* enum split_origin; SPLIT_STOP: one arm for all, nothing is exposed */
};

/* What a route's source says. */
struct experiment_source {
    const char *name, *salt;
    const char *design; /* metric, guard and unit as JSON, for reports */
    int count;
    const char *arms[EXPERIMENT_ARMS];
    double weights[EXPERIMENT_ARMS]; /* add up to 1 */
};

struct experiment {
    _Atomic int is_used; /* set last */
    char name[EXPERIMENT_NAME], salt[EXPERIMENT_NAME];
    char design[EXPERIMENT_DESIGN];
    int count;
    char arms[EXPERIMENT_ARMS][EXPERIMENT_ARM_NAME];
    double source[EXPERIMENT_ARMS];
    struct split splits[EXPERIMENT_SPLITS];
    _Atomic unsigned split; /* counts up: the current one is splits[split % EXPERIMENT_SPLITS] */
    _Atomic uint64_t seen_us; /* when a generation with it was last begun */
    _Atomic uint64_t exposures[EXPERIMENT_ARMS], unitless; /* since the server began */
};

struct experiments {
    struct lock lock;
    _Atomic uint64_t changes; /* of what the file holds */
    struct experiment slots[EXPERIMENTS_MOST];
};

void experiments_init(struct experiments *e);

/* -1 with err when its arms or its unit differ from those known under its name and salt. */
int experiments_check(struct experiments *e, const struct experiment_source *source, struct err *err);

/*
 * A generation that has it begins to serve: its place, where changed weights of the source take the place of what holds now. NULL when EXPERIMENTS_MOST others are
 * known, or its arms are not those known.
 */
struct experiment *experiments_use(struct experiments *e, const struct experiment_source *source, uint64_t now_us);

/* By name, the one seen last; NULL. */
struct experiment *experiments_find(struct experiments *e, const char *name);

/* The i-th place; NULL when it is empty. */
struct experiment *experiments_at(struct experiments *e, int i);

/* Adds one that is not there; NULL when there is no room. */
struct experiment *experiments_restore(struct experiments *e, const struct experiment_source *source, uint64_t seen_us);

/* How traffic is split now. */
struct split experiment_split(const struct experiment *x);
void experiment_set(struct experiments *e, struct experiment *x, const struct split *split);

/* Does a unit move to an earlier arm when `after` takes the place of `before`? */
bool experiment_moves_back(const struct experiment *x, const struct split *before, const struct split *after);

const char *split_origin_name(enum split_origin origin);
