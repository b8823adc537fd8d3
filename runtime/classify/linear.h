/*
 * linear: one row of weights for each feature, one column for each label, a byte each.
 *
 * Most features touch few labels: a row holds either all columns or only those that are not 0. Each row has its own scale. Sums are taken in the
 * order of the features, without fused operations, so that every machine gets the same scores.
 */
#pragma once

#include "classify/vocab.h"

struct linear {
    const char *rows;  /* part "rows": an offset for each feature, with a bit for "sparse", and one for the end */
    const char *scale; /* part "scale" */
    const char *cells; /* part "cells" */
    int columns;
};

int linear_open(struct linear *l, const struct modelfile *m, int features, int columns, struct err *err);

/* Adds x · weights to `scores`, which has l->columns items. */
void linear_add(const struct linear *l, const struct feature *x, int count, float *scores);

/* Packs features × columns weights. The caller clears the buffers. */
struct linear_parts {
    struct buf rows, scale, cells;
};
void linear_pack(struct linear_parts *parts, const double *weights, int features, int columns);
void linear_clear(struct linear_parts *parts);
