/*
 * eval_run: the cases of a set through a running server, several at once, until all are answered or the budget is spent; and what they are graded by.
 *
 * The server is a real one and knows nothing of evaluation: a case is a chat completion for the model "wye/ROUTE", a judge's verdict one for the route
 * that `judge_route` names. Cases that the results hold already are only graded.
 */
#pragma once

#include "trial/eval_lua.h"
#include "trial/eval_results.h"

struct eval_run {
    const struct eval_cases *set;
    struct eval_results *results;
    struct eval_lua *lua;
    const char *pin;         /* the route to send the cases to in place of the set's, which model serves is then not graded; NULL: none */
    const char *address, *admin; /* of the server; NULL: nothing is asked, what the results hold is graded */
    int parallel;
    double usd;              /* that may be spent; 0: no limit */
    uint64_t until_ms;       /* of clock_ms; 0: no limit */
    const volatile int *stop; /* 1: begin nothing more; 2: wait for nothing */
    void (*cut)(void *arg);   /* ends the server at once */
    void *cut_arg;
    bool has_judges;         /* false: what a judge must say stays unsaid */
    const struct model *judge; /* for criteria that name none */
    /* The name of the route that is this model and nothing else. */
    void (*judge_route)(const struct eval_run *run, const struct model *judge, char *out, size_t size);
    void *arg; /* the caller's */
    void (*progress)(const struct eval_run *run); /* NULL: none */

    double spent;     /* of this run, judges included */
    int asked;        /* cases answered in this run */
    bool is_complete; /* every case has an answer */
    struct err err;   /* why a case got none, or a judge no verdict: the last of them; kind ERR_NONE: none */
};

/* 0, or -1 with run->err when the server is not there or the results cannot be written. */
int eval_run(struct eval_run *run);
