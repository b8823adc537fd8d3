/*
 * logprob: what the log probabilities of a reply's tokens say of its certainty.
 *
 *   confidence  (0, 1]  exp of their mean, the inverse of perplexity (Jelinek et al. 1977)
 *   least       (0, 1]  probability of the least likely token: one doubtful number spoils an answer whose mean is high
 *   margin      [0, 1]  mean over the tokens of p(best) - p(second best) ("breaking ties", Luo et al. 2005); needs top_logprobs of two or more
 *   entropy     bits    mean over the tokens of the entropy of top_logprobs, scaled to sum to 1 (Shannon 1948); a lower bound, since the rest
 *                       of the vocabulary is not told; needs them too
 */
#pragma once

#include <stdbool.h>

#include "bind/reply.h"

enum { LOGPROB_MEASURES = 4 };
extern const char *const logprob_names[LOGPROB_MEASURES]; /* as above, in that order */

/* False when the reply does not carry what the measure needs. */
bool logprob_measure(int measure, const struct reply *r, double *out);
