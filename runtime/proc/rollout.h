/*
 * rollout: the canary, as the master sees it: begun and ramped by `wye use G --percent P`, watched, stepped back from.
 *
 * A larger share only moves units forward; a smaller one is refused, `wye rollback` ends it. So does every change of the live generation: `use` of any, a reload.
 * Its beginning and its end are written to STATE/canary, with the reason of a step back; a server that starts finds it there.
 */
#pragma once

#include "base/buf.h"
#include "net/loop.h"
#include "policy/canary.h"

struct reload;
struct warm;

enum rollout_state { ROLLOUT_NONE, ROLLOUT_RUNNING, ROLLOUT_STEPPED_BACK, ROLLOUT_ENDED };

/* What STATE/canary holds. */
struct rollout_record {
    enum rollout_state state;
    char hash[65], base[65]; /* the canary's; the live one's beside it */
    double percent;
    uint64_t since_us, until_us; /* wall */
    char reason[300];            /* of its end */
};

struct rollout {
    struct reload *reload;
    struct canary *shared;
    struct canary_guard guard;
    unsigned id, live; /* of the last canary; 0 when it belongs to an earlier server */
    struct rollout_record record;
    struct canary_tally from[2]; /* when what is judged began */
    struct timer tick;
};

void rollout_open(struct rollout *o, struct reload *r);
void rollout_close(struct rollout *o);

/* The canary's id; 0: none is under way. */
unsigned rollout_id(const struct rollout *o);

/* Begins or ramps. */
void rollout_set(struct rollout *o, const struct warm *live, const struct warm *canary, double percent);

/* What STATE/canary says was under way is not taken up again. */
void rollout_lapse(struct rollout *o, const char *why);

/* Over, and not for what it did. */
__attribute__((format(printf, 2, 3))) void rollout_end(struct rollout *o, const char *format, ...);

/* Over for what it did; does nothing when `id` is no canary. */
void rollout_step_back(struct rollout *o, unsigned id, const char *why);

/* A JSON object, or null. */
void rollout_write(struct buf *out, const struct rollout *o);
