/*
 * eval_replies: cases through their route without any network, models answering what was recorded of them.
 *
 * A file of one JSON a line says what a model answers to a case: {"id": the case's, "model": "provider/id", "text" or "reply": a completion}, or
 * {"id", "model", "error": a kind} for one that fails. Without `model` it is what every model answers. The second line of the same case and
 * model is the answer to the second time that it is asked. What `wye eval` keeps of a run is such a file.
 *
 *     struct eval_replies *r = eval_replies_open("replies.jsonl", &set, generation, &err);
 *     for (i = 0; i < set.count; i++) eval_replies_decide(r, i, &results);     // those that lack an answer stay open
 *     eval_replies_close(r);
 */
#pragma once

#include "trial/eval_results.h"
#include "vm/generation.h"

struct eval_replies;

struct eval_replies *eval_replies_open(const char *path, const struct eval_cases *set, struct generation *g, struct err *err);
void eval_replies_close(struct eval_replies *r);

/* Fills outcome i. False with its `why` when the route wants an answer that is not in the file. */
bool eval_replies_decide(struct eval_replies *r, int i, struct eval_results *results);
