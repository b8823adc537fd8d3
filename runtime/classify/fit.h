/*
 * fit: linear weights for labelled vectors, by liblinear (Crammer and Singer's multi-class machine).
 *
 * liblinear is loaded when something is trained, so that a server never carries it. Deterministic: its dice are reset before each fit.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "classify/vocab.h"

struct fit_row {
    struct feature *at;
    int count, label;
};

/* -1 with err when the library is not installed. */
int fit_open(struct err *err);

/* features × labels weights, the caller's to free: scores are x · w. Labels that no row has get weights of 0. Rows with `skip` are left out. */
double *fit_weights(const struct fit_row *rows, const bool *skip, int count, int features, int labels);
