/* eval_judge: asks a model whether an answer meets a criterion. One answer at a time, so that no position can sway it; the reason comes before the verdict. */
#pragma once

#include "base/buf.h"
#include "trial/eval_results.h"

/* Appends the chat completion for the model `route`. */
void eval_judge_ask(struct buf *out, const char *route, const struct eval_case *c, struct str criterion, struct str answer);

/* Reads the verdict out of a completion. -1 with err when it is none. */
int eval_judge_read(struct str completion, struct arena *arena, bool *agrees, const char **reason, struct err *err);
