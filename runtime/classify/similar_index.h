/* similar_index: vectors of examples and their cosines, for similar.c, which reads, and similar_train.c, which fits. Not for others. */
#pragma once

#include <stdbool.h>

#include "classify/embed.h"
#include "classify/similar.h"

enum { SIMILAR_MOST_WIDTH = SIMILAR_WIDTH + EMBED_WIDTH };

struct similar_index {
    struct vocab vocab;
    struct embed embed;         /* width 0: without */
    const signed char *vectors; /* count × similar_index_width */
    const float *lengths;       /* of each */
    const char *columns;        /* the label of each, two bytes */
    int count;
};

/* Places of grams, then of meaning. */
static inline int similar_index_width(const struct similar_index *x)
{
    return SIMILAR_WIDTH + x->embed.width;
}

/* The vector of a text, its longest part scaled to 127; false when nothing of the text is known. */
bool similar_index_vector(const struct similar_index *x, struct str text, signed char vector[SIMILAR_MOST_WIDTH], float *unseen);

/* Lengths of the vectors: heap, the caller's. */
float *similar_index_lengths(const struct similar_index *x);

struct near_row {
    int row;
    double cosine;
};

/* The nearest `most` rows but `row` and those of label `column` (-1: none is left out), nearest first, only with a cosine above 0. Returns how many. */
int similar_index_find(const struct similar_index *x, const signed char *vector, int most, int row, int column, struct near_row *out);

/* What each label gets of the nearest rows: their cosines to the fourth power, to the sixth with word vectors, whose cosines differ less. */
void similar_index_vote(const struct similar_index *x, const signed char *vector, int row, int column, int columns, float *scores);
