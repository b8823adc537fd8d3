/*
 * pairs: will the weak model do? Learnt from questions of which it is known whether a weak and a strong model were right.
 *
 * Logistic fits say how probably each model is right: two from the grams of the text, which know the subjects that were trained on; two from its manner
 * (manner.h), which holds for others too; two from its shape alone, which holds for questions that are put otherwise. What the strong model gains by
 * these, weighted and calibrated, is the probability that the weak one suffices: that it is right, or both are wrong. Questions leave for the strong
 * model from the least probable on. A model file of kind "pairs" (classify/modelfile.h) that classifier_open reads too.
 */
#pragma once

#include "base/arena.h"
#include "classify/calibration.h"
#include "classify/frontier.h"
#include "classify/linear.h"
#include "classify/manner.h"

/* Scores: the weak and the strong model by words, by manner, by shape. */
enum { PAIRS_SCORES = 6, PAIRS_MOST = 500000, PAIRS_LEAST = 50 };

/*
 * What the file's rows hold: {"text": "…", "weak": 0 or 1, "strong": 0 or 1}, and where it is known "domain": what the question is about, in any words.
 * Whether a model was right is chance to a good part; how often it is in the domain is less so, and counts half.
 */
struct pair {
    struct str text, domain; /* domain: {NULL, 0} when there is none */
    bool weak, strong;
};

struct pairs {
    struct pair *at;
    int count, room;
    struct arena arena;
};

/* 0, or -1 with "FILE:LINE: …"; also when the weak model is always right or never, or the strong one never. */
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

/* Four fits, each without a quarter of the rows, then one to all. `share` of the questions are to be labelled "strong". Same rows, same bytes. */
int pairs_train(const struct pairs *p, const char *path, double share, void (*progress)(int done, int total), struct pairs_report *report,
                struct err *err);

/* ---- use ---- */

/* What a model file of kind "pairs" says beside its vocabulary and weights. */
struct pairs_gauge {
    struct calibration c; /* of minus the gain → the weak model suffices; its threshold */
    double shape;         /* how much the shape counts, words counting 1 and manner 2 */
};
int pairs_open(struct pairs_gauge *g, struct str meta, struct err *err);

/* From a text's scores: minus what the strong model gains. A text that is not framed as those of the training were (manner.h) goes by its shape. */
double pairs_ease(const struct pairs_gauge *g, const float scores[PAIRS_SCORES], bool framed);

/* The probability that the weak model suffices. */
double pairs_p(const struct pairs_gauge *g, const float scores[PAIRS_SCORES], bool framed);
