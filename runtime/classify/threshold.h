/*
 * threshold: from which probability on a cheap answer is kept, for a share, a price or a quality.
 *
 * The cascade that it reckons with asks the weak model always and the strong one for the answers below the threshold. Answers of equal
 * probability cannot be told apart, so a target may fall among them: then `tie` of those at the threshold go to the strong model, by chance.
 */
#pragma once

#include "classify/calibration.h"

struct price_pair {
    double weak, strong; /* US dollars per thousand requests */
};

enum target { TARGET_SHARE, TARGET_COST, TARGET_QUALITY };

struct operating {
    double threshold, tie;
    double share;   /* of the answers that go to the strong model */
    double kept;    /* share of the kept ones that are right; NaN when none is kept */
    double quality; /* of the whole; NaN unless the rows say where the strong model is right */
    double cost;    /* US dollars per thousand requests; NaN without prices */
};

/*
 * SHARE: that share; COST: as many as `value` dollars per thousand pay for; QUALITY: the fewest with which the whole (the kept answers where the rows
 * know nothing of the strong model) is right in at least that share, by 0.8 standard errors more on these rows. `prices` may be NULL. -1 says what cannot be reached and what can.
 */
int threshold_find(const struct calibration *c, const struct scored *rows, enum target target, double value,
                   const struct price_pair *prices, struct operating *out, struct err *err);

/* What a threshold does to these rows. */
struct operating threshold_measure(const struct calibration *c, const struct scored *rows, double threshold, double tie,
                                   const struct price_pair *prices);
