/*
 * quota: what one client key may use, counted over all workers at once.
 *
 * Requests and tokens count in a sliding window of 60 one-second steps: in no 60 seconds do more begin than allowed, however they arrive.
 * Money counts by day (UTC). What a request may use is reserved before it goes out and settled by what it did use. Each worker has a column of its own
 * for what it holds, so that quota_forget settles for one that died: its requests are over, and what it had reserved counts as spent.
 */
#pragma once

#include <stdint.h>

#include "policy/lock.h"

enum { QUOTA_STEPS = 60, QUOTA_RING = 64, QUOTA_WORKERS = 64 };

/* 0: no limit. */
struct quota_limits {
    uint32_t rpm, concurrent;
    uint64_t tpm;
    double usd_per_day;
};

struct quota {
    struct lock lock;
    uint64_t second; /* of the newest step, monotonic */
    uint64_t requests, tokens; /* sums of the window */
    struct {
        uint64_t second;
        uint32_t requests;
        uint64_t tokens;
    } steps[QUOTA_RING]; /* by second % QUOTA_RING */
    uint64_t day; /* since 1970 */
    double spent;
    struct {
        uint32_t running;
        double usd;
    } held[QUOTA_WORKERS];
    unsigned columns; /* of them that were ever used */
};

enum quota_why { QUOTA_OK, QUOTA_REQUESTS, QUOTA_TOKENS, QUOTA_CONCURRENT, QUOTA_USD, QUOTA_WHY_COUNT };

/* "requests", "tokens", "concurrent", "usd". */
const char *quota_why_name(enum quota_why why);

struct quota_answer {
    enum quota_why why;
    unsigned wait_s; /* when trying again can help; at least 1 */
    uint64_t requests_left, tokens_left; /* of the window, when it was only looked at or refused */
    double usd_left;
};

/* What one request holds. */
struct quota_hold {
    uint64_t second; /* of the step that counts it */
    uint64_t tokens;
    double usd;
};

struct quota_time {
    uint64_t ns;      /* monotonic */
    uint64_t wall_us;
};

void quota_init(struct quota *q);

/* Would a request be let in now? Counts nothing. For an early answer, before the body is read. */
struct quota_answer quota_look(struct quota *q, const struct quota_limits *limits, struct quota_time now);

/*
 * Lets one in or says why not. `tokens` it may use; when they are only a guess (`is_open`: the client set no bound) what is left of the window suffices.
 * After QUOTA_OK quota_settle must follow.
 */
struct quota_answer quota_admit(struct quota *q, const struct quota_limits *limits, unsigned worker, uint64_t tokens, bool is_open, struct quota_time now,
                                struct quota_hold *hold);

/* Reserves money for one more attempt of it; false when the day's budget has no room. `is_open` as above. */
bool quota_reserve(struct quota *q, const struct quota_limits *limits, unsigned worker, double usd, bool is_open, struct quota_time now, struct quota_hold *hold);

/* It is over: what it used takes the place of what it held. */
void quota_settle(struct quota *q, unsigned worker, uint64_t tokens, double usd, struct quota_time now, const struct quota_hold *hold);

/* When money may be there again for who holds `own` of it: in 1 s while others hold some too, else with the next day. */
unsigned quota_usd_wait_s(struct quota *q, double own, struct quota_time now);

/* The worker died. */
void quota_forget(struct quota *q, unsigned worker);
