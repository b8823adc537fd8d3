/*
 * toll: what a client key costs a request: who it is, whether it is let in, what it holds of the key's limits and what it used of them.
 *
 * toll_head answers most refusals before the body is read; toll_enter is the exact one, once the body's size is known. What was held is settled in the
 * request's one exit. Without keys in the state directory all of this is one load.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "policy/quota.h"

struct router;
struct request;
struct exchange;
struct attempt;
struct model;
struct key;

struct toll {
    struct key *key; /* NULL: none is asked for */
    struct quota_hold hold;
    bool is_held;
    bool is_uncertain; /* a provider answered and its usage is unknown: what was reserved counts */
    bool is_spent;     /* the day's budget refused an attempt */
    uint64_t tokens;   /* used so far */
};

/* False when it answered: no key (401), or one that may not now (429). */
bool toll_head(struct router *r, struct exchange *x, bool is_counted);

/* The key that the exchange names, once toll_head let it in; NULL: none is asked for, or it was revoked since. */
struct key *toll_key(struct router *r, struct exchange *x);

/* The decision that was numbered last is that key's (NULL: nobody's). Before its client knows its id. */
void toll_own(struct router *r, const struct key *key);

/* Whose the request is, which has just been numbered. */
void toll_open(struct request *rq);

/* False when it answered with 429. */
bool toll_enter(struct request *rq);

/* Room in the day's budget for a call to this model? -1 with ERR_LIMIT. */
int toll_reserve(struct request *rq, const struct model *model, struct err *err);

/* An attempt ended. */
void toll_used(struct request *rq, const struct attempt *a);

/* Answers for an attempt that toll_reserve refused. */
void toll_refuse_spent(struct request *rq);

void toll_settle(struct request *rq);

/* The name for the trace; NULL when there is none. */
const char *toll_name(const struct request *rq);
