/*
 * score: wye.score, cheap signs of how good an answer is. Pure: nothing is asked, nothing is learnt.
 *
 *   confidence, least, margin, entropy (reply)   what bind/logprob.h says; nil when the reply does not carry it
 *   agreement(replies, how)  (0, 1]   share of the most frequent answer, case, punctuation and blanks ignored unless how is "exact" (self-consistency,
 *                                     Wang et al. 2022), and that answer's index
 *   valid(reply, what)       boolean  as the schema says, and why not; with "json": it parses; without: it is whole, and its code fences close
 *   refusal(text)            boolean, and [0, 1]: 1 for a refusing phrase in the first 200 bytes, 0.5 for one later
 *   degenerate(text)         [0, 1]   the largest share of repeated 4-grams of words ("rep-4", Welleck et al. 2019) or of one
 *                                     repeated character run; 1 for an empty text and a reply that is cut at the limit of tokens; and which of them
 *   length(text, from, to)   [0, 1]   1 from `from` (1) to `to` (no end) words, less in proportion outside; and the words
 *   weighted { {score, weight}, … }   sum of weight × score over the sum of the weights; nil scores are left out, nil when all are
 */
#pragma once

#include <lua.h>

/* Pushes the table. */
void score_open(lua_State *L);
