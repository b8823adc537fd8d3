/*
 * eval_frontier_data: `wye eval --frontier FILE.jsonl`: the curve over data in which it is known who was right, without asking anybody.
 *
 * Two kinds of rows. Pairs, as `wye train --pairs` reads them, are ranked by the model of --router: one model answers each question. Answers of a cascade, as
 * `wye calibrate` reads them (`score`, `correct`, `strong`), are ranked by their score: the weak model answers all questions, and is paid for all.
 */
#pragma once

#include <stdbool.h>

#include "base/opt.h"

/* Do the arguments name such a file? */
bool eval_frontier_data_is(const struct options *o);

/* Prints the curve; the exit status. */
int eval_frontier_data(const struct options *o);
