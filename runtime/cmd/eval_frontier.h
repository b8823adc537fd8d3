/*
 * eval_frontier: what a route buys with which share of calls to the strong model, for `wye eval --frontier`.
 *
 * The route's set was answered three times: through the route, by the weak model alone and by the strong one alone.
 */
#pragma once

#include "base/buf.h"
#include "base/opt.h"
#include "trial/eval_results.h"

struct eval_frontier {
    const struct model *models[2]; /* the weak one, the strong one */
    const struct eval_results *routed, *weak, *strong;
    const char *router; /* model file; NULL: those that the route sent to the strong model leave first */
};

/* As the options say, else the cheapest and the dearest of those that served. */
int eval_frontier_models(struct eval_frontier *f, const struct options *o, const struct config *config, struct err *err);

/* Appends the curve in words, or as a member "frontier" to the object that `out` ends with. */
int eval_frontier_write(const struct eval_frontier *f, bool as_json, struct buf *out, struct err *err);
