/*
 * canary: the share of units that another generation serves, how both sides fare, and when that is worse than allowed.
 *
 * The split is one word in shared memory: 0 while there is no canary, so that a request without one pays a load and a branch. A unit's place is
 * PlanOut's hash (assign.h) under a salt of the generation's files; the canary has the end of [0, 1), so that a larger share only moves units forward.
 * Only while there is a canary are requests counted here, by the workers; the master reads and judges.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { CANARY_TIMES = 256, CANARY_SALT = 16 /* hex digits of a generation's hash */ };

struct canary_side {
    _Atomic uint64_t requests, script_errors, errors, served;
    _Atomic double usd, usd_squared;
    _Atomic uint64_t times[CANARY_TIMES]; /* of served requests, by an eighth of an octave of microseconds */
};

struct canary {
    _Atomic uint64_t split;  /* generation << 32 | share; 0: none */
    _Atomic uint64_t salt;   /* those hex digits as a number; set before the split */
    _Atomic unsigned number; /* counts canaries: a request of an earlier one is not counted for this */
    struct canary_side sides[2]; /* the live generation's, the canary's */
};

/* `share` in (0, 1]. Another generation than before begins with empty counts. `hash`: hex digits. */
void canary_set(struct canary *c, unsigned generation, const char *hash, double share);
void canary_clear(struct canary *c);

/* The generation of a split; 0: none. */
static inline unsigned canary_generation(uint64_t split)
{
    return (unsigned)(split >> 32);
}

bool canary_takes(const struct canary *c, uint64_t split, struct str unit);

/* How one request ended. */
struct canary_outcome {
    bool is_script_error, is_error, is_served;
    double usd;
    uint64_t us;
};

void canary_count(struct canary_side *side, const struct canary_outcome *o);

/* ---- the judge ---- */

struct canary_tally {
    uint64_t requests, script_errors, errors, served;
    double usd, usd_squared;
    uint64_t times[CANARY_TIMES];
};

void canary_read(const struct canary_side *side, struct canary_tally *out);

/* What came after `before`. */
void canary_since(struct canary_tally *now, const struct canary_tally *before);

/* Microseconds under which 95 % of served requests ended; 0 without any. */
uint64_t canary_p95(const struct canary_tally *t);

/* How much worse the canary may be; below 0: not watched. */
struct canary_guard {
    double script_errors, errors; /* points: 2 is 4 % where the live generation has 2 % */
    double latency, cost;         /* percent: of the 95th percentile, of the mean cost of a request */
    uint64_t requests;            /* before this many the canary is not judged */
};

extern const struct canary_guard CANARY_GUARD;

/* "errors=1,latency=20,cost=off": what is not named stays as it is. */
int canary_guard_parse(const char *text, struct canary_guard *guard, struct err *err);

/*
 * Is the canary beyond the guard, by more than chance does (three standard errors; scripts' errors are no matter of chance)? Then `why` says by what.
 */
bool canary_is_worse(const struct canary_guard *g, const struct canary_tally *live, const struct canary_tally *canary, char *why, size_t size);
