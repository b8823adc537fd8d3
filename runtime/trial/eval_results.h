/*
 * eval_results: what came of each case of a set, kept in a file as it comes, so that a run that was stopped can go on.
 *
 * A line of the file says what happened (answer, model, cost, time, the judge's verdict); whether that is right is decided anew by whoever reads it.
 * Lines whose case has changed since are passed over. eval_replies.h reads such a file too.
 *
 *     eval_results_open(&results, &set);
 *     eval_results_load(&results, path, &err);             // what an earlier run left
 *     eval_results_keep(&results, path, &err);             // from here on append there
 *     ...fill results.at[i]... eval_results_write(&results, i);
 *     eval_results_close(&results);
 */
#pragma once

#include <stdio.h>

#include "trial/eval_cases.h"

enum eval_verdict {
    EVAL_OPEN,     /* not asked yet */
    EVAL_PASSED,
    EVAL_FAILED,
    EVAL_UNJUDGED, /* nothing but a judge could say, and none did */
};

struct eval_outcome {
    struct str reply; /* the completion, or the error, as it came */
    struct str text;  /* of the answer */
    const char *model, *cause, *reason, *line, *decision; /* of the trace; "" when unknown */
    int status;
    double usd, ms;               /* of the decision as a whole */
    double served_usd, served_ms; /* of the call that served */
    /* Of the judge. */
    bool is_judged, judge_agrees;
    const char *judge_reason;
    double judge_usd;

    /* Of grading. */
    enum eval_verdict verdict;
    const char *failed; /* the expectation, or "answer" when there was none */
    char why[400];
};

struct eval_results {
    const struct eval_cases *set;
    struct eval_outcome *at; /* one for each case */
    int before;              /* answered by an earlier run */
    const char *answered_by; /* "the simulator", "recorded replies", "the project's providers"; "" unknown */
    FILE *file;
    struct arena arena;
};

void eval_results_open(struct eval_results *r, const struct eval_cases *set);

/* How many cases were asked and ended without an answer, which says nothing of a model's quality; `first` is one of them, -1 with none. */
int eval_results_unanswered(const struct eval_results *r, int *first);

/* Takes what is in the file; one that is not there has nothing. -1: it cannot be read. */
int eval_results_load(struct eval_results *r, const char *path, struct err *err);

/* Fills an outcome from a line of such a file. */
void eval_outcome_read(struct eval_outcome *o, struct str row, struct arena *arena);
int eval_results_keep(struct eval_results *r, const char *path, struct err *err);

/* Appends outcome i. False when the disk refuses. */
bool eval_results_write(struct eval_results *r, int i);

/* Appends what a model answered to the route of case i on the way to its decision. */
bool eval_results_write_asked(struct eval_results *r, int i, struct str model, struct str reply, double usd, double ms);
void eval_results_close(struct eval_results *r);

/* Fills outcome i from the answer's body and, where it is known, the decision as the admin API tells it. */
void eval_results_take(struct eval_results *r, int i, int status, struct str body, struct str decision);
