/*
 * similar: labelled examples, and which of them are nearest to a text: a file of kind "similar".
 *
 * A text becomes a short vector: each of its grams, weighted as in vocab.h, adds itself to a few places that its hash picks (random indexing, Kanerva et al.
 * 2000), so nothing but the examples is needed; with a table of word vectors (embed.h) the mean of its words' is put beside. Nearness is the cosine. The nearest few vote on the label; a gauge, fitted on the examples themselves, each
 * looked up without itself and without its label, says how sure that is. Reading allocates nothing. One thread.
 */
#pragma once

#include "classify/gauge.h"
#include "classify/samples.h"
#include "classify/vocab.h"

enum { SIMILAR_WIDTH = 512, SIMILAR_MOST = 10000, SIMILAR_NEAREST = 16 };

struct similar;

/* Borrows the bytes. NULL with err. */
struct similar *similar_open(struct str bytes, struct err *err);
void similar_close(struct similar *s);

struct neighbour {
    struct str text, label;
    double cosine;
};

/* The nearest `most` (at most SIMILAR_NEAREST) examples, nearest first; how many there are. */
int similar_nearest(const struct similar *s, struct str text, int most, struct neighbour *out);

struct likeness {
    struct str label;
    double p, known; /* as a classifier's */
};
struct likeness similar_read(const struct similar *s, struct str text);

/* From examples to a file: at most SIMILAR_MOST of them. `vectors`: a file of word vectors to take along, or NULL. *accuracy: of examples looked up
 * without themselves. */
int similar_train(const struct samples *s, const char *vectors, const char *path, double *accuracy, size_t *bytes, struct err *err);
