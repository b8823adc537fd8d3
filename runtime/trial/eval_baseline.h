/*
 * eval_baseline: what an earlier state of a route reached, kept beside its set in PROJECT/evals/ROUTE.baseline.json, a case a line so that it can be reviewed.
 *
 * Cases that were edited since, or are new, take no part in a comparison; nor does any, where others answered
 * (the simulator, recorded replies, the providers) than answer now.
 */
#pragma once

#include "trial/eval_results.h"

void eval_baseline_path(const char *project, const char *route, char *out, size_t size);

/* 1: read into `was`, opened by the caller for the same set; 0: there is none; -1 with err. */
int eval_baseline_read(struct eval_results *was, const char *path, struct err *err);

/* Cases that were not graded are left out. Written aside and renamed. */
int eval_baseline_write(const struct eval_results *r, const char *path, const char *generation, struct err *err);
