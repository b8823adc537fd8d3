/*
 * choice: a question that a model answers with one of several labels, as structured output; and how sure it was.
 *
 * The answer is an object {"reason": "…", NAME: "label"}. How sure: the probability of the label's tokens, from the reply's log
 * probabilities, where the provider gives any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "bind/ask.h"

/* A model's p when its provider tells no probabilities. */
#define CHOICE_P 0.8

struct choice {
    const char *name; /* of the member */
    const struct str *labels;
    int count;
    bool has_reason;
};

/* The whole options of the ask but its purpose and timeout: from an empty body, at temperature 0. */
void choice_edit(struct ask_options *o, struct arena *arena, const struct choice *c, struct str messages,
                 int max_tokens, bool logprobs);

/*
 * The index of the label that the completion `body` says, or -1 with err (ERR_MALFORMED). An answer that is the bare label counts too. *p: its probability;
 * CHOICE_P when it is not told. *reason: its text, or "".
 */
int choice_read(const struct choice *c, struct str body, struct arena *arena, double *p, struct str *reason, struct err *err);
