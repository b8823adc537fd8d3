/*
 * cast: who plays in a run of the sweep: which arm of each experiment that the route meets, and whether the route itself or the rule of one
 * of its shadows is what the run is about.
 *
 * Casts are found as paths are: a run that meets an experiment for the first time takes its first arm, and each other arm becomes a cast of its own beside it;
 * so with shadows. Experiments one behind the other multiply, up to CASTS.
 *
 *     casts_begin(&c, trial);
 *     for (c.at = 0; c.at < c.count; c.at++) {          // count goes up on the way
 *         trial->shadow = casts_now(&c)->shadow; trial_run(…with casts_tape(&c)…); casts_look(&c);
 *     }
 */
#pragma once

#include "bind/tape.h"
#include "trial/trial.h"

enum { CASTS = 32, CAST_ARMS = 8, CAST_SHADOWS = 8 };

struct experiment_binding;

struct cast {
    struct {
        const struct experiment_binding *of;
        int arm;
    } arms[CAST_ARMS];
    int count;
    int shadow;       /* as trial->shadow */
    uint64_t place;   /* hash of where that was called; 0: not yet */
    int shadows;      /* of the route, known so far */
    bool is_done;     /* each further run costs, and tells nothing: it did not end, or another cast is about the same shadow */
};

struct casts {
    struct tape tape; /* first: its function casts back */
    struct trial *trial;
    struct cast all[CASTS];
    int count, at;
    unsigned taken; /* bit for each of the present cast's arms that the last run took */
    bool is_cut;    /* there are more */
};

void casts_begin(struct casts *c, struct trial *t);

static inline struct cast *casts_now(struct casts *c)
{
    return &c->all[c->at];
}

/* For the scope of a run, before it; forgets what the last one took. */
struct tape *casts_tape(struct casts *c);

/* After a run. */
void casts_look(struct casts *c);

/* Appends "in arm v2 of trial", "in the shadow of routes/trial.lua:9"; nothing where the last run met neither. */
void casts_tell(const struct casts *c, struct buf *out);
