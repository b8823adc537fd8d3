/*
 * eval_calls: requests to a server, several at once, each in a thread of its own that waits for its answer.
 *
 *     struct eval_calls *calls = eval_calls_open("127.0.0.1:8080", "unix:/x/admin", 4);
 *     eval_calls_give(calls, call);                              // the caller's; at most as many as there are threads are under way
 *     while ((call = eval_calls_take(calls, 200))) ...call->status, call->reply, call->decision...
 *     eval_calls_close(calls);                                   // waits for what is under way
 *
 * One thread gives and takes. After each answer the decision behind it is read from the admin API.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct eval_call {
    struct eval_call *next;
    struct str body;      /* of a chat completion; lives as long as the call */
    int owner;            /* the caller's */
    bool is_judge;        /* the caller's */
    struct buf made;      /* the caller's: where `body` lies when it was made for this call */
    /* Filled. */
    struct buf reply;
    struct buf decision;  /* JSON; empty when nobody knows it */
    int status;           /* 0: err says why nothing came */
    struct err err;
};

struct eval_calls;

struct eval_calls *eval_calls_open(const char *address, const char *admin, int threads);
void eval_calls_close(struct eval_calls *c);

struct eval_call *eval_call_new(void);
void eval_call_free(struct eval_call *call);

void eval_calls_give(struct eval_calls *c, struct eval_call *call);

/* One that is over, the caller's again; NULL when none is within `ms`. */
struct eval_call *eval_calls_take(struct eval_calls *c, unsigned ms);
