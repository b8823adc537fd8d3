/*
 * frontier: what quality a router buys with which share of calls to the strong model.
 *
 * Questions leave for the strong model in the order of `p`, the probability that the weak one suffices, lowest first; those of equal p in
 * proportion. APGR is the mean over all shares of the share of the gap between the two models that is closed (Ong et al. 2024, "RouteLLM": 0.5 is a
 * coin, 1 all of the gap at once); CPT(x) the least share with which x of the gap is closed. Intervals are bootstrap percentiles over questions.
 *
 *     struct frontier f;
 *     frontier_measure(&f, outcomes, count, 1000, 1);
 */
#pragma once

#include <stdint.h>

enum { FRONTIER_POINTS = 21 };

struct outcome {
    double p;
    double weak, strong; /* quality of each model's answer, 0 to 1 */
};

struct interval {
    double value, low, high; /* low, high: 95 % */
};

struct frontier {
    int count;
    double weak, strong; /* mean quality */
    struct interval apgr;
    struct interval cpt50, cpt80;              /* 1 where no lesser share does */
    struct interval matching;                  /* the least share that has 99.5 % of the strong model's quality */
    double quality[FRONTIER_POINTS];           /* at shares of 0, 0.05, … 1 */
};

/* At least one outcome; sorts them by p. Where the two models are equally good, APGR and CPT are NaN. */
void frontier_measure(struct frontier *f, struct outcome *outcomes, int count, int resamples, uint64_t seed);
