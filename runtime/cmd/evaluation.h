/*
 * evaluation: what `wye eval` works on, and one set of it: asked, graded, reported, compared.
 *
 * eval.c fills it from the command line and prints what has come together in `out`.
 */
#pragma once

#include "base/buf.h"
#include "base/opt.h"
#include "cmd/private.h"
#include "trial/eval_run.h"

struct evaluation {
    const struct options *options;
    const volatile int *stop; /* how often the user has interrupted */
    char project[EVAL_PATH - 512];
    char folder[EVAL_PATH - 256]; /* where results are kept */
    struct generation *generation;
    char hash[65];
    struct eval_cases *sets;
    int set_count;
    struct eval_lua *lua;
    struct private_server server;
    bool is_served;
    const struct model *judge;
    double usd, spent;    /* the budget, 0: none; what is gone */
    uint64_t until_ms;    /* of clock_ms; 0: no limit */
    struct buf out;       /* what will be printed */
    int routes;           /* that it tells of */
    bool is_worse, is_complete;
    char unanswered[800]; /* the first set none of whose cases was answered, and why; "": there is none */
};

/* The name of the route that is that model and nothing else: the private server has one for each. */
void evaluation_pin(const struct generation *g, const struct model *model, char *out, size_t size);

/* The set through its route, or on recorded replies; appends the report. -1 when it could not be run, which is then said. */
int evaluation_run(struct evaluation *e, const struct eval_cases *set);
