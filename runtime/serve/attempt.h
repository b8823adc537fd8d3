/*
 * attempt: one call to one model, over the provider's wire, from writing its request to classifying what came back.
 *
 * Buffered attempts end with the whole body or an error. Streamed ones hold frames until the first content: up to that point they
 * fail like buffered ones; from `commit` on their frames go to the owner, byte-exact but for the usage that wye asked for itself, or translated where
 * client and provider speak different protocols. `done` is
 * called once, last, unless attempt_cancel came first.
 */
#pragma once

#include "bind/scope.h"
#include "bind/translation.h"
#include "net/eventstream.h"
#include "net/sse.h"
#include "net/transport.h"
#include "serve/hint.h"
#include "serve/wire.h"

struct request;
struct attempt;

struct attempt_events {
    void (*commit)(struct attempt *a);                   /* streamed: the first content is here */
    void (*frame)(struct attempt *a, struct str bytes);  /* streamed, after commit */
    void (*done)(struct attempt *a);                     /* a->err.kind tells */
};

struct attempt_options {
    enum purpose purpose;
    struct str where; /* of the ask in the route, or {NULL, 0} */
    bool stream;
    struct str body;               /* an object to send instead of the client's, or {NULL, 0} */
    const struct json_edit *edits; /* to its members, at most 8 */
    int edit_count;
    unsigned connect_ms, first_token_ms, idle_ms, attempt_ms; /* first_token, idle: streams only */
    struct credential *credential; /* the key to use; NULL: keyring_take chooses, none of: */
    uint32_t keys_tried;           /* bit for each key of the provider */
    const struct attempt_events *events;
};

struct attempt {
    struct request *request;
    const struct model *model;
    struct attempt_options options;
    void *owner; /* the events' */
    struct credential *credential;
    const struct wire *wire;          /* what the provider speaks */
    struct translation *translation;  /* NULL: what the client speaks, too */
    const char *id_field;             /* the header line of the provider's own id; NULL before its reply */
    const char *param;                /* the field that the provider's wire has no word for */
    int n;
    struct call *call;     /* NULL when none runs */
    uint64_t started_ns, first_ns, ended_ns;
    int status;            /* 0: no head came */
    struct str retry_after, content_type; /* of the reply, in the arena */
    bool is_sse;           /* the reply is an event stream with status 200 */
    bool is_binary;        /* framed as AWS does */
    bool has_chunks, is_committed, is_finished, is_done_frame; /* an event, content, its reason to end, the last frame seen (or an error that the client reads) */
    struct sse sse;
    struct eventstream eventstream;
    struct buf held;       /* streamed: frames before commit; the last one and what follows */
    struct buf body;       /* buffered */
    bool adds_usage;       /* wye asked for the usage, the client did not */
    bool served;
    struct hint hint;      /* of an error's head */
    struct usage usage;
    double usd;
    double reserved_usd;   /* of the request's limits, while it runs */
    int64_t reserved_tokens;
    struct err err;
};

/* In the request's arena. Never calls back at once; when `call` is NULL on return it has failed already and no event follows. */
struct attempt *attempt_start(struct request *rq, const struct model *model, const struct attempt_options *options, void *owner);

/* One that cannot be called (`why`: no key, unknown kind): recorded as failed with ERR_AUTH, no events. */
struct attempt *attempt_refused(struct request *rq, const struct model *model, enum purpose purpose, const char *why);

/* One that is not made (no room under the request's limits, a model that cannot answer it): not recorded, not counted, no events. */
struct attempt *attempt_unmade(struct request *rq, const struct model *model, enum purpose purpose, const struct err *why);

/* The request's content timer fired: it fails with ERR_TIMEOUT, or succeeds when only the end of a complete stream was missing. */
void attempt_timed_out(struct attempt *a);

/* The client reads slowly: a stream's frames wait, and so does its idle deadline. Harmless when it has ended. */
void attempt_pause(struct attempt *a);
void attempt_resume(struct attempt *a);

/* Ends it from outside, with that error kind in its record; no events. Harmless when it has ended. */
void attempt_cancel(struct attempt *a, enum err_kind kind, const char *why);

/* Frees its buffers (the struct lies in the arena). */
void attempt_clear(struct attempt *a);

unsigned attempt_ms(const struct attempt *a);
