/*
 * budget: what a route allows its request with req:limit: US dollars, tokens, attempts and seconds over the request as a whole, asks included.
 *
 * Money and tokens are estimated before a call, reserved while it runs and counted as used after it, so that calls at once cannot
 * overrun together. Seconds shorten the attempts. A request without limits pays for one test.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct attempt;
struct model;
struct request;

/* True when the limits leave room for a call to this model; else rq->limit_hit and `err` (kind ERR_LIMIT) say which does not. */
bool budget_allows(struct request *rq, const struct model *model, struct err *err);

/* The deadline, or what is left of the seconds where that is less. */
unsigned budget_ms(const struct request *rq, unsigned ms);

/* Around an attempt. budget_ended turns a timeout by the request's seconds into ERR_LIMIT. */
void budget_began(struct attempt *a);
void budget_ended(struct attempt *a);
