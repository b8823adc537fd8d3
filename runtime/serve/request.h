/*
 * request: one client request, from its bytes to its one exit.
 *
 * It runs the route, turns the decision into attempts, commits a stream at its first content, answers, and publishes its
 * record before the last byte of the answer. request_finish in request.c is the only release. Everything it allocates lies in the exchange's
 * arena but the struct itself, which the router pools.
 */
#pragma once

#include "bind/decision.h"
#include "bind/scope.h"
#include "net/server.h"
#include "serve/attempt.h"
#include "serve/plan.h"
#include "serve/recall.h"
#include "serve/toll.h"
#include "vm/generation.h"
#include "vm/task.h"

struct router;
struct capture;
struct answer_run;
struct transcript;

struct request {
    struct scope scope; /* first: bind/ casts back */
    struct router *router;
    struct exchange *x; /* NULL: a request without a client, of `run` */
    struct answer_run *run; /* answered.h; NULL: a client's */
    struct generation *generation;
    const struct route *route; /* NULL when the client named a model */
    uint64_t number;           /* in the trace */
    char id[20];
    char trace_id[33];
    const char *traceparent;   /* of the client, valid; NULL */
    uint64_t started_ns, ended_ns; /* monotonic; ended once it finishes */
    struct task task;
    bool is_task_running;
    struct post post;       /* the task's turn in the loop */
    struct timer total, content;
    struct decision decision;
    int at;                 /* which of decision.models is tried */
    struct plan plan;       /* of the others */
    int retries;
    struct credential *credential; /* of the next try, and the keys that were tried before; NULL: any */
    uint32_t keys_tried;
    bool is_waiting;        /* to try the same model again; `content` wakes it */
    struct attempt *serving;
    struct list shadows;    /* of shadow.c: what runs once this is over */
    struct list asks;       /* struct pending of ask.c: what the route waits for */
    int attempts;
    const struct model *served;
    const char *cause;
    const char *place;      /* "routes/route.lua:12" of the return; NULL */
    const char *rule_place; /* the same of the return in an experiment's arm that chose; NULL */
    const char *script_error;
    const char *limit_hit;
    const char *refused;    /* what an error of wye's own told the client */
    int status;
    bool is_recorded;       /* a decision was begun in the trace */
    uint64_t first_ns;      /* first content to the client */
    uint64_t script_us;
    double usd;
    struct toll toll;
    int64_t tokens;
    double reserved_usd;    /* by calls in flight, under req:limit */
    int64_t reserved_tokens;
    struct capture *capture; /* NULL: this one is not kept */
    struct buf *kept;        /* what the client gets, for a shadow that is answered; NULL: nobody asks */
    struct transcript *transcript; /* of the stream to the client; NULL: nobody asked */
    bool is_continued;      /* another model goes on with a stream that broke off */
    bool is_late;           /* its total deadline passed */
    bool broke_off;         /* its stream ended with an error */
    unsigned canary;        /* the number of the one it is counted for; 0: none was under way */
    struct usage told;      /* of those that broke off */
    enum recall recall;
    unsigned char recall_key[RECALL_KEY];
    struct list link;       /* router's active or free */
};

/* Takes the exchange: answers at once or later. */
void request_start(struct router *r, struct exchange *x, enum protocol protocol);

/* A request without a client: what it is made of outlives it. */
struct answer_start {
    struct answer_run *run; /* is told what came of it */
    struct generation *generation;
    const struct route *route;
    uint64_t number; /* of the request that it is beside */
    const char *id; /* as long as request.id */
    enum protocol protocol;
    const struct http_head *head;
    struct str body;
    struct arena *arena;
    unsigned total_ms;
    double usd; /* 0: no limit */
};

/* Begins one; request_start_answer then runs it, which may end it at once. */
struct request *request_take_answer(struct router *r, const struct answer_start *start);
void request_start_answer(struct request *rq);

/* Has its client been told the status already? */
static inline bool request_has_begun(const struct request *rq)
{
    return rq->x && exchange_begun(rq->x);
}

/* "routes/route.lua:12" of a return (vm/lines.h), in the arena; NULL for 0. */
const char *request_place(const struct generation *g, int place, struct arena *arena);

/* More of what its client gets, for those who keep it. */
void request_told(struct request *rq, struct str bytes);

/* The client left. */
void request_gone(struct request *rq);

/* Its output drained below the mark: resume the upstream. */
void request_drained(struct request *rq);

/* Ends it from outside (the worker stops): an error, or a cut stream. */
void request_abort(struct request *rq);

/* Answers whole and ends; `more`: further header lines. The body may lie in the arena or anywhere that outlives the call. */
void request_reply(struct request *rq, int status, const char *content_type, const char *more, struct str body);

/* The same with an error of wye's own in the shape of the client's protocol. */
void request_error(struct request *rq, int status, const char *code, const char *param, const char *words);

void request_error_with(struct request *rq, int status, const char *code, const char *param, const char *more, const char *words);

/* Publishes, then writes the last bytes of a begun stream and ends it. */
void request_end_stream(struct request *rq, struct str tail);

/* The host that bind/ calls (ask.c). */
extern const struct host REQUEST_HOST;

/* The same for those without a client: they ask and wait, and change nothing. */
extern const struct host ANSWER_HOST;

/* Cancels asks in flight (ask.c). */
void request_cancel_asks(struct request *rq);
