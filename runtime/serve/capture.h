/*
 * capture: keeps what is needed to decide again of a share of the decisions (`capture` in wye.lua).
 *
 * Into the trace go the client's body and headers, each thing that the route learnt from outside (bind/tape.h, asks and the order in
 * which they ended), what it decided, and the reply's body. Masks are applied before anything is written; headers that routes cannot read, or whose name says
 * that they are secret, are never kept. A client's body over 1 MiB is not kept, of a reply the first 256 KiB are. A request that is not
 * captured has no struct capture, and pays a test of a pointer.
 */
#pragma once

#include "bind/decision.h"
#include "bind/tape.h"
#include "trace/captured.h" /* the bits of F_FLAGS in a step */

struct request;

enum { CAPTURE_REPLY = 256 * 1024 };

struct capture {
    struct tape tape; /* first: the tape's functions cast back */
    struct request *request;
    struct buf reply;
    bool is_cut;
    int operations;   /* that the route has started */
    bool *masked;     /* for each mask: it has taken something out */
};

/* Decides by chance, and writes the request's part. rq->capture stays NULL when it is not captured. */
void capture_begin(struct request *rq);

/* All below: rq->capture is set. Another piece of what the client gets. */
void capture_reply(struct request *rq, struct str bytes);

/* The ask number `n` ended with `reply`, or was stopped. */
void capture_ask(struct request *rq, int n, uint64_t key, const struct reply *reply, unsigned flags);
void capture_sleep(struct request *rq, int n, unsigned flags);

/* What the route decided, or how it failed (`failed` not NULL). */
void capture_decided(struct request *rq, const struct err *failed);

/* Writes the reply and frees. */
void capture_end(struct request *rq);

/* Captured or not: does the text stand in the client's body where a mask may reach it? */
bool capture_hides(const struct request *rq, struct str text);

/* The same for asks that would send the same to the same model, whatever the client's body is. */
uint64_t capture_ask_key(const struct model *model, const struct ask_options *options);

/*
 * A decision in words that are equal when it would serve the same: "openai/mini, local/8b (first_token 4000)", "reply of local/8b",
 * "refuse 402: budget spent", "script_error: routes/route.lua:3: …".
 */
void capture_decision(struct buf *out, const struct decision *d, const struct err *failed);

/* Of a reply that is served, so that two of one model are told apart. 0 for another decision. */
uint64_t capture_reply_key(const struct decision *d);
