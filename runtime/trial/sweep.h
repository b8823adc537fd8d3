/*
 * sweep: runs a route again and again and branches every ask over what a model can answer: well, with text that is no JSON,
 * or with each kind of failure. Each path must end in a decision inside the route's limits.
 *
 * Paths are enumerated without state: a run follows the outcomes of its path, later asks answer well, and the asks that
 * it turned out to make say which paths come next. No fault first, then one, then every ask from one on (an outage, which is
 * what makes a retry loop spin), then two faults and more, so that what is found first is seen under the fewest faults.
 * Up to SWEEP_DEPTH asks deep and SWEEP_PATHS a route; `is_cut` says that there was more.
 *
 * All of it under each arm of the experiments that the route takes part in, and for the rule of each shadow that it has (cast.h).
 * What is served is swept too: `after` is told of an answer and of a list that is exhausted by each kind of failure.
 */
#pragma once

#include "trial/cast.h"
#include "trial/check_requests.h"
#include "trial/trial.h"

enum { SWEEP_DEPTH = 4, SWEEP_PATHS = 2000 };

struct sweep {
    struct trial *trial;
    const struct route *route;
    struct str long_body; /* of check_long_body */
    uint64_t until_ns;    /* clock_ns; what is not done by then is cut */

    /* A run failed with trial->err; `seen` is "in arm v2 of trial, when ask 1 of local/8b answers timeout", "" without a fault. */
    void (*found)(struct sweep *s, const char *seen);
    void *arg;

    const struct check_recorded *recorded; /* tried with the route that decided them; NULL: none */
    const struct check_request *request; /* the one that is tried now */
    int paths;
    bool is_cut;

    /* sweep.c's own. */
    unsigned char path[SWEEP_DEPTH];
    int faults; /* that the paths of this turn have */
    int from; /* asks from this one on share one outcome; -1: they answer well */
    unsigned char outcome;
    struct casts casts;
};

void sweep_run(struct sweep *s);
