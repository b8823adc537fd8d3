/*
 * retry: how long to wait before the same model is asked again, and how often that may happen.
 *
 * The budget is a bucket of tokens over all workers: each request puts in a fifth of one, each retry takes one out, so that
 * retries stay under 20 % of traffic however many requests fail at once. After "The Amazon Builders' Library: Timeouts, retries, and backoff with
 * jitter" and Finagle's RetryBudget.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct retry_budget {
    _Atomic int64_t milli;  /* thousandths of a token */
    _Atomic uint64_t spent; /* retries granted */
};

/* A few tokens to begin with: a quiet server may retry too. */
void retry_budget_init(struct retry_budget *b);

/* A request came. */
void retry_deposit(struct retry_budget *b);

/* False when the budget is spent. */
bool retry_withdraw(struct retry_budget *b);

/* Full jitter: anything up to 250 ms × 2^n, 8 s at most. `random`: any 64 bits. */
unsigned retry_backoff_ms(int n, uint64_t random);

/* Retry-After's value: seconds (with a fraction) or an HTTP date. Milliseconds, rounded up; -1 when it is neither. */
int64_t retry_after_ms(struct str value, uint64_t wall_us);

/* A Go duration ("1m30.5s", "6ms") or, without a unit, seconds. Milliseconds, rounded up; -1 when it is neither. */
int64_t retry_duration_ms(struct str value);
