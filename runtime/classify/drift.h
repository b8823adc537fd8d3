/*
 * drift: is today's traffic like the one that was learnt from? Shares over a few bins (of a score, or of labels) then and now.
 *
 * PSI is the population stability index (both directions of Kullback and Leibler's divergence added; below 0.1 little, above 0.25 much), KS the greatest
 * difference of the cumulative shares, for bins that have an order, with Kolmogorov's asymptotic probability of as much by chance.
 *
 * A watch looks at one reading after another and says when they have changed, as soon as it can be sure: a Shiryaev-Roberts e-detector (Shin, Ramdas
 * and Rinaldo 2023). It bets on the shares of the last DRIFT_WINDOW readings against the baseline's; while nothing has changed it is flagged at most once
 * in `run` readings on average, where a bin's share up to a tenth above the baseline's is no change: a baseline is an estimate.
 *
 *     drift_watch_init(&w, &then, 1e6);
 *     if (drift_watch_add(&w, bin)) ...flagged, and begun anew...
 */
#pragma once

#include <stdbool.h>

enum { DRIFT_BINS = 21, DRIFT_WINDOW = 100 };

/* Counts of each bin; `total` of all. */
struct bins {
    double at[DRIFT_BINS], total;
    int count;
};

/* Shares with half a reading added to each bin, so that none is 0. */
double bins_share(const struct bins *b, int i);

double drift_psi(const struct bins *then, const struct bins *now);
double drift_ks(const struct bins *then, const struct bins *now, double *chance);

struct watch {
    const struct bins *then;
    double run, evidence;
    double recent[DRIFT_BINS];
    unsigned char window[DRIFT_WINDOW];
    int held, next;
};

void drift_watch_init(struct watch *w, const struct bins *then, double run);
bool drift_watch_add(struct watch *w, int bin);
