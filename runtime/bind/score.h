/*
 * score: wye.score, cheap signs of how good an answer is. Pure: nothing is asked, nothing is learnt.
 *
 *   confidence(reply)        (0, 1]   exp of the mean log probability of the answer's tokens, the inverse of perplexity
 *                                     (Jelinek et al. 1977); nil without logprobs
 *   margin(reply)            [0, 1]   mean over the tokens of p(best) - p(second best) ("breaking ties", Luo et al. 2005); nil
 *                                     without top_logprobs of two or more
 *   entropy(reply)           bits     mean over the tokens of the entropy of top_logprobs, scaled to sum to 1 (Shannon 1948); a
 *                                     lower bound, since the rest of the vocabulary is not told; nil as above
 *   agreement(replies)       (0, 1]   share of the most frequent answer, case, punctuation and blanks ignored (self-consistency,
 *                                     Wang et al. 2022), and that answer's index
 *   valid(reply, schema)     boolean  as the schema says, and why not
 *   refusal(text)            boolean, and [0, 1]: 1 for a refusing phrase in the first 200 bytes, 0.5 for one later
 *   degenerate(text)         [0, 1]   the largest share of repeated 4-grams of words ("rep-4", Welleck et al. 2019) or of one
 *                                     repeated character run; 1 for an empty text
 *   weighted { {score, weight}, … }   sum of weight × score over the sum of the weights; nil scores are left out, nil when all are
 */
#pragma once

#include <lua.h>

/* Pushes the table. */
void score_open(lua_State *L);
