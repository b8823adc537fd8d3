/*
 * captured: decisions as replay needs them: plain values, in order, out of a folder of segments.
 *
 *     struct captures *all = captures_open(dir, since_us, &err);
 *     for (const struct captured *c; (c = captures_next(all));) ...valid until the next call...
 *     captures_close(all);
 *
 * All texts are views. What could not be read is said by captures_problems, never hidden.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { CAPTURED_BUCKETS = 5 };

/* Bits of the flags of an "ask" or "sleep" step. */
enum {
    STEP_JOINED = 1,    /* another operation had woken the route already, which saw both */
    STEP_STOPPED = 2,   /* the route needed it no longer */
    STEP_RETRYABLE = 4, /* the error */
    STEP_MASKED = 8,    /* the reply has lost something */
};

/* Tokens: input, cache_read, cache_write, output, reasoning. */
struct captured_usage {
    bool is_known;
    int64_t tokens[CAPTURED_BUCKETS];
};

/* One thing that the route learnt (serve/capture.h says what stands in which field). */
struct captured_step {
    struct str kind, key, value, model, reply, error, why, reason, line;
    int n, status;
    unsigned flags;
    uint64_t at_us, us;
    double usd, p; /* p: of an arm, its probability */
    struct captured_usage usage;
};

struct captured_score {
    struct str metric;
    double value;
};

struct captured {
    uint64_t number, began_us;
    struct str id, route, requested, served, reason, line, error; /* of the decision */
    struct str request, headers, reply;                           /* JSON; request {NULL, 0}: not captured */
    const struct str *masks;
    int mask_count;
    int64_t tokens;
    bool has_image;
    int protocol; /* of the request, as bind/view.h numbers them */
    bool is_cut; /* events are missing */
    int status;
    double usd;
    double weight;                      /* 1 over the probability of the arms it was in */
    struct str unit;                    /* of the first of them; {NULL, 0}: in none */
    struct captured_usage served_usage; /* of the attempt that served */
    const struct captured_step *steps;
    int step_count;
    const struct captured_score *scores; /* after captures_join */
    int score_count;
};

struct captures;

/* Those that began at or after `since_us` (wall clock; 0: all), oldest first. NULL with words when the folder cannot be read. */
struct captures *captures_open(const char *dir, uint64_t since_us, struct err *err);
const struct captured *captures_next(struct captures *all);

/* Gives the scores of decisions too (POST /v1/feedback, wye.metric), at the cost of a second look at the files. Once, before captures_next. */
void captures_join(struct captures *all);

/* From here on captures_next gives only what lies in the newest `segments` of each worker. Once, before it. */
void captures_recent(struct captures *all, int segments);

/* From here on captures_next gives only the newest `count` whose request was captured, of about the newest `segments` (0: of all). Once, before it. */
void captures_newest(struct captures *all, int count, int segments);

/* When the newest decision of all began, captured or not; 0: there is none. After the last captures_next. */
uint64_t captures_last(struct captures *all);

/* The one whose id begins with `id`; NULL with words. */
const struct captured *captures_find(struct captures *all, struct str id, struct err *err);

/* Appends a line for each kind of thing that could not be read; returns how many kinds. */
int captures_problems(const struct captures *all, struct buf *out);
void captures_close(struct captures *all);
