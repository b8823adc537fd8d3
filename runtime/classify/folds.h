/*
 * folds: which rows are held out together, so that a fit to the others can be tried on them.
 *
 * Where rows say what source they are from, the rows of a source share a fold, so that the trial shows how a model does on texts from elsewhere. The rows
 * of a label that comes from one source only are dealt one by one, as all are where nothing is known of sources.
 */
#pragma once

#include "classify/samples.h"

/* of[row]: its fold, below `folds`. */
void folds_deal(const struct samples *s, int folds, int *of);

/* Whether all rows of the source are in one fold. */
bool folds_part(const struct samples *s, const int *of, int source);
