/* similar_index: vectors of examples and their cosines, for similar.c, which reads, and similar_train.c, which fits. Not for others. */
#pragma once

#include <stdbool.h>

#include "classify/similar.h"

struct similar_index {
    struct vocab vocab;
    const signed char *vectors; /* count × SIMILAR_WIDTH */
    const char *columns;        /* the label of each, two bytes */
    int count;
};

/* The vector of a text, its longest part scaled to 127; false when nothing of the text is known. */
bool similar_index_vector(const struct vocab *v, struct str text, signed char vector[SIMILAR_WIDTH], float *unseen);

struct near_row {
    int row;
    double cosine;
};

/* The nearest `most` rows but `row` and those of label `column` (-1: none is left out), nearest first, only with a cosine above 0. Returns how many. */
int similar_index_find(const struct similar_index *x, const signed char *vector, int most, int row, int column, struct near_row *out);

/* What each label gets of the nearest rows: their cosines squared. */
void similar_index_vote(const struct similar_index *x, const signed char *vector, int row, int column, int columns, float *scores);
