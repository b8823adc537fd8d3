/*
 * gauge: from raw scores to a label, how probable it is, and whether the text is of any of the labels at all.
 *
 * `p` and `known` are logistic functions of the same signs: how high the best score is, by how much it leads, how far it is from the score of "oos"
 * where that was trained, how many words were never seen, and the odds of a softmax over the labels. Fitted on texts that the scores were not trained on.
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"

enum { GAUGE_SIGNS = 7, GAUGE_COLUMNS = 1024 };

struct gauge {
    int columns, oos; /* oos: the column of that label, or -1 */
    double heat;      /* the scores' factor: one over the temperature */
    double right[GAUGE_SIGNS], known[GAUGE_SIGNS];
};

struct reading {
    int label; /* oos when that was trained and `known` is below a half */
    double p, known;
};

struct reading gauge_read(const struct gauge *g, const float *scores, float unseen);

/* A text that training did not see, and what became of it. */
struct gauge_case {
    const float *scores;
    float unseen;
    int label;       /* -1 or oos: of none of the labels */
    bool is_stranger; /* its label was kept from training */
};

/* Sets heat and right; `known` says how familiar the words are. */
void gauge_fit(struct gauge *g, const struct gauge_case *cases, int count);

/* After that: sets known, unless all cases are of the labels or none is. Both sides must come from the same fits. */
void gauge_fit_known(struct gauge *g, const struct gauge_case *cases, int count);

/* From a model's "meta": heat, right and known; false when they are not there or no sane numbers. Labels are the caller's. */
bool gauge_open(struct gauge *g, struct str meta);

/* Expected calibration error over 15 bins of equal width. */
double gauge_ece(const double *p, const bool *is_right, int count);
