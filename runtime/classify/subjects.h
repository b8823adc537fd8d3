/*
 * subjects: which of a few subjects a text's words are of (subjects.def: computing, mathematics, pictures, …), which says something of words that training
 * never saw.
 *
 * Grams know the texts that they were trained on, and little of others: a classifier of prompts for programmers that has seen functions to complete knows no
 * commands to find files. A second opinion goes by subjects alone. It is fitted apart, lest what is plain in the training texts mute it, with every label counting the
 * same, however many texts it has; and it has the more to say the fewer of the text's pairs of words were ever seen. Labels that do not differ by subject
 * have no use for it: training asks it on texts that it has not seen, and leaves it out when it is wrong too often, when there are
 * more than SUBJECTS_LABELS labels, or fewer than SUBJECTS_ROWS texts to learn from.
 *
 * A model takes the words along, so that it stays what it was when the list changes.
 */
#pragma once

#include "classify/vocab.h"

enum { SUBJECTS = 7, SUBJECTS_WIDTH = SUBJECTS + 1, SUBJECTS_LABELS = 16, SUBJECTS_ROWS = 200 };

struct subjects {
    struct vocab words;        /* as vocab.h finds them; rarity is not used */
    const unsigned char *bits; /* of each word, bit i: it is of subject i; NULL: the model goes without */
};

/* The words of a model that has them. 0, or -1 when its parts do not fit together. */
int subjects_open(struct subjects *s, const struct modelfile *m, struct err *err);

/* How much is of each subject, scaled to a length of up to 1, less when most words are of none; then a 1. */
void subjects_mix(const struct subjects *s, const uint32_t *words, int count, float mix[SUBJECTS_WIDTH]);

/* The text of `x` as features from `first` on, as loud as its pairs of words are new. */
void subjects_features(const struct subjects *s, const struct vector *x, uint32_t first, struct feature out[SUBJECTS_WIDTH]);

/* By how much a text's mix counts when that share of its pairs is new. */
float subjects_loudness(float unpaired);

/* ---- training ---- */

struct subjects_parts {
    struct buf starts, keys, bits;
};

/* The words of subjects.def. The caller clears the parts. */
void subjects_build(struct subjects_parts *parts);
struct subjects subjects_of(const struct subjects_parts *parts);
void subjects_clear(struct subjects_parts *parts);

/* A text by its subjects. */
struct subjects_row {
    float mix[SUBJECTS_WIDTH];
    int label;
};

/* SUBJECTS_WIDTH × labels weights. Rows with `skip` are left out. */
void subjects_fit(const struct subjects_row *rows, const bool *skip, int count, int labels, double *weights);

/* The label that the mix alone speaks for. */
int subjects_guess(const struct subjects_row *row, const double *weights, int labels);
