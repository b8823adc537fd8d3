/* reliability: said probability beside what happened, in groups of equal size. */
#pragma once

#include "classify/scored.h"

enum { RELIABILITY_ROWS = 10 };

struct reliability {
    double least, most; /* of the probabilities */
    int rows;
    double said, right; /* means */
};

/* Rows of equal probability stay in one group. Returns how many groups there are. */
int reliability_table(const struct scored *rows, const double *p, struct reliability out[RELIABILITY_ROWS]);
