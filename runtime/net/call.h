/*
 * call: one request and its reply over a pooled connection: what is sent, how the reply is read, and its deadlines.
 *
 * Calls are reused, so that a request in steady state allocates nothing: head text, timer and views stay with the
 * object. The owner's callbacks run from the loop only and last: after each of them the call may be gone.
 */
#pragma once

#include "net/pool.h"

enum { CALL_VIEWS = 8 };

enum call_phase { CALL_QUEUED, CALL_OPENING, CALL_HEAD, CALL_BODY };

struct call {
    struct list link; /* the pool's queue, or the upstream's spares */
    struct upstream *up;
    struct pool *pool;
    struct conn *conn; /* NULL while queued */
    struct endpoint *to;
    const struct call_events *events;
    void *ctx;
    enum call_phase phase;
    struct call_deadlines deadlines;
    uint64_t started;
    uint64_t sought; /* since when a connection is sought: the start, or a dead one's end */
    struct timer timer;
    struct post post; /* refuses a request that never left */
    struct buf out;   /* head text, kept for the second try */
    size_t method_len;
    struct iovec few[CALL_VIEWS], *views; /* `few`, or allocated for a body in more pieces */
    int view_count;
    size_t total, sent; /* bytes of head and body */
    size_t scanned;     /* of a head that came in pieces */
    int informational;  /* 1xx heads skipped */
    struct http_body body;
    bool keeps_alive; /* the reply allows reuse */
    bool has_bytes;   /* of a reply */
    bool is_retried, is_paused;
    bool is_broken; /* sending failed: only what already arrived can still be read */
};

struct call *call_new(struct upstream *up);
void call_free(struct call *c);    /* to the spares, while these are few */
void call_destroy(struct call *c); /* a spare */

/* Prepares head text and views. -1 when they cannot be sent: a path with blanks, fields over 64 KiB. */
int call_prepare(struct call *c, const struct call_request *request);

/* Sends from the start on the connection that the call has just got. */
void call_send(struct call *c);

/* Sets the timer to the nearest deadline of the call's phase. */
void call_arm(struct call *c);

/* The call's connection is readable or writable. */
void call_ready(struct call *c, int events);

/* Watches what the call needs watched: reading unless paused, writing while something is unsent. */
void call_watch(struct call *c);

/* Ends the call without a word: its connection closes, or its place in the queue is given up. */
void call_drop(struct call *c);

/* Ends the call: its connection closes, the owner hears `failed` last. */
void call_fail(struct call *c, const struct err *err);
