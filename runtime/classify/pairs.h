/*
 * pairs: will the weak model do? Learnt from questions of which it is known whether a weak and a strong model were right.
 *
 * Two logistic fits over the grams of the text and its shape (how long, how many numbers, sentences, symbols) say how probably each model is right;
 * what the strong one gains, calibrated, is the probability that the weak one suffices: that it is right, or both are wrong. Questions leave for the strong
 * model from the least probable on. A model file of kind "pairs" (classify/modelfile.h) that classifier_open reads too.
 */
#pragma once

#include "base/arena.h"
#include "classify/calibration.h"
#include "classify/fit.h"
#include "classify/frontier.h"
#include "classify/linear.h"

enum { PAIRS_SHAPE = 14, PAIRS_MOST = 500000, PAIRS_LEAST = 50 };

/* What the file's rows hold: {"text": "…", "weak": 0 or 1, "strong": 0 or 1}. */
struct pair {
    struct str text;
    bool weak, strong;
};

struct pairs {
    struct pair *at;
    int count, room;
    struct arena arena;
};

/* 0, or -1 with "FILE:LINE: …"; also when a model is always right or never. */
int pairs_read(struct pairs *p, const char *path, struct err *err);
void pairs_clear(struct pairs *p);

/* What is known of the model, measured on questions that it was not trained on. */
struct pairs_report {
    struct frontier frontier;
    double ece;       /* of the probability that the weak model suffices */
    double suffices;  /* how often it does */
    double threshold; /* below it a question is labelled "strong" */
    size_t bytes;
};

/*
 * Four fits, each without a quarter of the rows, with the shape of the text trusted much and little; then one to all in the better way. `share` of the questions are to be labelled "strong". Same rows,
 * same bytes.
 */
int pairs_train(const struct pairs *p, const char *path, double share, void (*progress)(int done, int total), struct pairs_report *report,
                struct err *err);

/* ---- use ---- */

/* What a model file of kind "pairs" says beside its vocabulary and weights. */
struct pairs_gauge {
    struct calibration c; /* of minus the gain → the weak model suffices; its threshold */
    double shape;         /* what the features of the shape are multiplied by */
};
int pairs_open(struct pairs_gauge *g, struct str meta, struct err *err);

/* From the two models' scores of a text (its grams and its shape added up), the probability that the weak one suffices. */
double pairs_p(const struct pairs_gauge *g, const float scores[2]);

/* The text's shape as features from `first` on, multiplied by `scale`: with how much they are trusted beside the words. */
void pairs_shape(struct str text, int first, double scale, struct feature out[PAIRS_SHAPE]);
