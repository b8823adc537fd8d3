/*
 * embed: what words mean, learnt elsewhere: a table of word vectors, and a text as the mean of its words' vectors.
 *
 * The table is made from a file of word vectors as text (word2vec's and GloVe's format: a word and its numbers a line, frequent words first), of which a
 * model takes the most frequent words along. A word weighs a / (a + its frequency) (Arora et al. 2017), the frequency being Zipf's for its line.
 */
#pragma once

#include "classify/vocab.h"

enum { EMBED_WORDS = 30000, EMBED_WIDTH = 300 };

struct embed {
    struct vocab words; /* as vocab.h finds them; rarity is not used */
    const signed char *vectors;
    int width; /* 0: the model has no table */
};

/* The table of a model that has one. 0, or -1 when its parts do not fit together. */
int embed_open(struct embed *e, const struct modelfile *m, struct err *err);

/* The text as e->width features from `first` on. Valid until the next call. Allocates nothing. */
struct vector embed_vector(const struct embed *e, struct str text, uint32_t first);

struct embed_parts {
    struct buf starts, keys, vectors;
    int width;
};

/* The first EMBED_WORDS words of the file that are one word here. The caller clears the parts. */
int embed_read(struct embed_parts *parts, const char *path, struct err *err);
struct embed embed_of(const struct embed_parts *parts);
void embed_clear(struct embed_parts *parts);
