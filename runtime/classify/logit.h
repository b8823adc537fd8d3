/*
 * logit: a logistic function of a few numbers, fitted to weighted observations by Newton's method.
 *
 * For fits of a handful of numbers; those of thousands of features are liblinear's (fit.h). The same on every machine.
 */
#pragma once

#include <stdbool.h>

enum { LOGIT_WIDTH = 8 };

struct logit_row {
    double x[LOGIT_WIDTH]; /* the first `width` count */
    double weight;
    bool is_true;
};

/* The probability whose log odds are `x`. */
double logit_p(double x);
double logit_dot(const double *a, const double *b, int width);

/* Sets `width` weights. `ridge`: how much each weight's square costs, as a share of the observations' whole weight; it keeps separable data finite. */
void logit_fit(double *weights, int width, const struct logit_row *rows, int count, double ridge);
