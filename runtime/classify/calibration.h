/*
 * calibration: maps a score to the probability that the answer is right.
 *
 * Two shapes. "isotonic": knots between which p runs straight, one for each block that the pool-adjacent-violators algorithm makes (Ayer et al.
 * 1955), at the block's mean score (centred isotonic regression, Oron and Flournoy 2017), so that scores which differ seldom tie. "platt": a
 * logistic curve (Platt 1999, with his smoothed targets; Lin, Lin and Weng 2007). Scores may fall as answers get better (entropy): the fit finds out.
 *
 * It is a plain struct: no memory of its own. On disk it is JSON (calibration_write, calibration_parse):
 *
 *     {"wye":"calibration","version":1,"score":"confidence","method":"isotonic","rows":2000,"accuracy":0.81,"ece":0.012,
 *      "points":[[0.31,0.12],[0.55,0.44],[0.97,0.98]],"threshold":0.83,"tie":0,"baseline":[[0.31,0],...]}
 */
#pragma once

#include "base/buf.h"
#include "classify/scored.h"

enum { CALIBRATION_VERSION = 1, CALIBRATION_POINTS = 64, CALIBRATION_BINS = 20, CALIBRATION_NAME = 32 };

enum calibration_method { METHOD_ISOTONIC, METHOD_PLATT };

struct point {
    double score, p;
};

struct calibration {
    char score[CALIBRATION_NAME]; /* the wye.score function that a reply is measured by */
    enum calibration_method method;
    struct point points[CALIBRATION_POINTS]; /* by score, strictly ascending */
    int count;
    double slope, offset; /* platt: p = 1 / (1 + exp(-(slope × score + offset))) */
    double rows, accuracy, ece;
    bool has_threshold;
    double threshold; /* an answer is kept from this probability on */
    double tie;       /* of the answers exactly at it, the share that is not kept */
    /* The scores of the data: the q-th of CALIBRATION_BINS + 1 quantiles, for wye drift. */
    double quantiles[CALIBRATION_BINS + 1];
};

/*
 * What the fit promises for answers it has not seen: each row's probability by a fit to the other four fifths (scored_fold), in p[0..rows->count).
 */
void calibration_cross(const struct scored *rows, enum calibration_method method, double *p);

/*
 * The method whose cross-fitted probabilities have the smaller log loss, fitted to all rows: everything but the threshold. `p` gets the cross-fitted
 * ones, and ece is theirs.
 */
void calibration_fit(struct calibration *c, const struct scored *rows, double *p);

/* The same with the method given. */
void calibration_fit_as(struct calibration *c, const struct scored *rows, enum calibration_method method, double *p);

double calibration_p(const struct calibration *c, double score);

/* Appends the JSON; 0 or -1 at the ceiling. */
int calibration_write(const struct calibration *c, struct buf *out);

/* -1 names the field. */
int calibration_parse(struct calibration *c, struct str json, struct err *err);

const char *calibration_method_name(enum calibration_method method);

/* Mean of -log of the probability that was given to what happened, in nats. */
double calibration_log_loss(const struct scored *rows, const double *p);

/* Expected calibration error: fifteen bins of equal width, weighted by their rows (Guo et al. 2017). */
double calibration_error(const struct scored *rows, const double *p);
