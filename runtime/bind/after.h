/* after: a route's second function, called when the answer is complete: after{ id, status, served, cause, usd, ms }. */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct vm;

struct outcome {
    const char *id, *served, *cause; /* NULL: nil */
    int status;
    double usd, ms;
    void (*metric)(void *ctx, struct str name, double value); /* of wye.metric; NULL: nobody hears it */
    void *ctx;
};

/* Runs function `ref` under the script limits; it can neither wait nor change the answer. -1 with err when it raises. */
const struct outcome *after_outcome(void); /* of the `after` that runs now; NULL */
int after_run(struct vm *vm, int ref, const struct outcome *outcome, struct err *err);
