/*
 * contrast: what differs between two decisions, for `wye why ID ID`: the decision itself, what was captured of its request, then candidates, attempts, arms and notes
 * pairwise in their order. Ids and times are left out, since they always differ; the time and price of the whole come last.
 */
#pragma once

#include "trace/decision.h"

/* Called for each difference; a side that has nothing there is {NULL, 0}. */
typedef void contrast_each(void *ctx, const char *what, struct str a, struct str b);

/* How many there were, those of time and price not counted. */
int contrast_walk(const struct decision *a, const struct decision *b, contrast_each *each, void *ctx);
