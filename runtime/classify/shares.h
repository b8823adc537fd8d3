/*
 * shares: a logistic fit to shares: what is to be said of a row is any number from 0 to 1, not only yes or no.
 *
 * Minimises |w|²/2 + cost × the sum of the rows' cross entropies, by coordinate ascent on the dual (Yu, Huang and Lin 2011), rows in an order that is the
 * same each time. liblinear knows neither shares nor weights of rows.
 */
#pragma once

#include "classify/fit.h"

/* A weight for each feature; the caller frees. Rows with `skip` are left out; their labels are not looked at. */
double *shares_fit(const struct fit_row *rows, const double *shares, const bool *skip, int count, int features, double cost);
