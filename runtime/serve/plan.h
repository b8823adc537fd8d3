/*
 * plan: which model of a decision's list is tried next, and why some are not.
 *
 * plan_open puts the list into its order (weights, sticky, order), and passes over what cannot serve the request: drained, too small a
 * context, no tools, no vision, no structured output. plan_next then passes over what cools, but never the last one that is left untried while
 * nothing was tried: a list is not refused because all of it is ill. Who is passed over is written into the trace with the reason.
 *
 * A list of one model costs nothing but the check of what it can.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct request;

struct plan {
    uint32_t settled;   /* bit for each model of the decision: tried or passed over */
    int tried;
    int first;          /* the first of the list that can serve the request */
    const char *moved;  /* why it is another order than as listed: "by cost"; NULL */
    const char *refused; /* what the list's models lack for this request; set when none is left */
    const char *code;   /* of the error then */
    bool is_drained;    /* one of them only because the operator took it out of service */
};

/* False when no model can serve the request: plan->refused says why. */
bool plan_open(struct request *rq);

/* The index of the model to try, which counts as tried from here; -1 when none is left. */
int plan_next(struct request *rq);

/* The models that were not needed. */
void plan_record_rest(struct request *rq, const char *why);
