/*
 * manner: how a question is put, whatever it is about: its shape (how long, how many numbers, sentences, symbols), and the words and pairs of words that many
 * questions share. What words say of a subject stays with that subject; manner carries over to others.
 *
 * Grams that nearly all questions of the training have are its frame (how choices are listed, what the last line says). A text without most of the frame
 * is put otherwise than all that was learnt from.
 */
#pragma once

#include "classify/vocab.h"

enum {
    MANNER_SHAPE = 14,                                                    /* the first is always 1 */
    MANNER_SIGNS = MANNER_SHAPE + (MANNER_SHAPE - 1) * MANNER_SHAPE / 2, /* the shape, then products of how far it is from the usual */
    MANNER_GRAMS = 2048,
    MANNER_MOST = MANNER_SIGNS + MANNER_GRAMS
};

struct manner {
    struct vocab grams; /* as vocab.h finds them; rarity is not used */
    const char *shares; /* part "manner shares": of the training's texts that have it */
    const char *usual;  /* part "manner usual": mean and spread of each number of the training's shapes */
    int frame;          /* how many grams are of the frame */
};

/* 0, or -1 when the model's parts do not fit together. */
int manner_open(struct manner *m, const struct modelfile *file, struct err *err);

/* How many features a text may have. */
int manner_width(const struct manner *m);

/* The text as features from `first` on; how many. *framed: it has most of the frame, or there is none. Allocates nothing. */
int manner_vector(const struct manner *m, struct str text, int first, struct feature out[MANNER_MOST], bool *framed);

struct manner_parts {
    struct buf starts, keys, shares, usual;
};

/* From the texts that a vocabulary was built from. The caller clears the parts. */
void manner_build(struct manner_parts *parts, const struct vocab *all, const struct str *texts, int count);
struct manner manner_of(const struct manner_parts *parts);
void manner_clear(struct manner_parts *parts);
