/*
 * spread: how numbers lie: quantiles and a histogram. Keeps every number, so that its quantiles are exact: eight bytes each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct spread {
    double *values; /* sorted once spread_sort was called */
    size_t count, room;
};

void spread_add(struct spread *s, double value);
void spread_clear(struct spread *s);
void spread_sort(struct spread *s);

/* Of sorted ones, by nearest rank: the least value that at least the share q lies at or under. 0 of none. */
double spread_quantile(const struct spread *s, double q);
double spread_mean(const struct spread *s);

struct bucket {
    double from, to; /* from <= value < to; of one value alone both are that value */
    size_t count;
};

enum { SPREAD_BUCKETS = 128, SPREAD_SINGLE = 16 };

/*
 * Of sorted ones, lowest first, the empty between included. At most SPREAD_SINGLE different whole numbers get one each; else the edges are
 * 1, 2 and 5 times powers of ten, with all at or below zero in one bucket of its own. Returns how many.
 */
int spread_buckets(const struct spread *s, struct bucket out[SPREAD_BUCKETS]);
