/* after: a route's second function, called when the answer is complete: after{ id, status, served, cause, usd, ms }. */
#pragma once

#include "base/err.h"

struct vm;

struct outcome {
    const char *id, *served, *cause; /* NULL: nil */
    int status;
    double usd, ms;
};

/* Runs function `ref` under the script limits; it can neither wait nor change the answer. -1 with err when it raises. */
int after_run(struct vm *vm, int ref, const struct outcome *outcome, struct err *err);
