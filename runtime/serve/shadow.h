/*
 * shadow: rules of wye.shadow, run after the answer has left. Each is an event of its own in the trace, which readers join to the request's decision (trace/late.h).
 *
 * A rule gets the same request and a coroutine, memory and time of its own, and no hands: what it would ask is counted and ends its run, wye.kv is read and not written, notes and
 * metrics go nowhere, no experiment counts an exposure. One run is ended after 5 ms; all shadows of a worker take at most a tenth of its time: past that they wait, 64 at most, and are dropped and counted.
 * With `answers` its decision is answered, too: answered.h.
 *
 * Nothing is copied: the shadows of a request take over its memory, from which its answer is still written; the last of them clears it.
 */
#pragma once

#include "base/list.h"
#include "base/str.h"
#include "bind/decision.h"
#include "bind/scope.h"
#include "net/loop.h"
#include "net/server.h"
#include "vm/generation.h"
#include "vm/task.h"

struct answers;
struct request;
struct router;

enum { SHADOW_MS = 5 /* of one run, or limits.script_ms when that is less */, SHADOW_WAITING = 64, SHADOW_MEMORY = 1 << 20 /* of a request, body and all */, SHADOW_TEXT = 8192 /* of a decision in words */ };

/* Of a worker. */
struct shadows {
    struct router *router;
    struct list waiting, free;
    int count; /* noted and not run yet, those that are answered aside */
    struct timer next;
    uint64_t spent_us, spent_at_us; /* script time, less a tenth of what passed since */
    struct list queued, answering;  /* of answered.h */
    int answer_count;               /* noted, queued or running */
    int running, attempts;          /* pairs of answers, and their calls to providers in flight */
    bool is_stopped;
};

/* What a rule has decided, or how it failed. */
struct verdict {
    bool is_over, has_failed;
    struct str words, reason, place;
    const char *error;
    int asks; /* that nobody answered */
    uint64_t script_us;
};

/* Of a request that is over, in its own arena. */
struct shadow_memory {
    struct exchange_memory taken;
    int holders;
};

struct shadow {
    struct scope scope; /* first: bind/ hands it back; its view and that arena are the request's */
    struct shadows *of;
    struct shadow_memory *memory;
    struct generation *generation;
    const struct route *route; /* that called wye.shadow */
    struct list link;
    struct task task;
    struct decision decided;  /* by the route */
    const char *failed;       /* how it failed; NULL */
    bool has_decided;         /* else the client left before */
    struct str where, primary; /* of the call; what the route decided, in words: empty when it did not */
    const char *key; /* the name of the client's; NULL */
    int rule;
    uint64_t source; /* checksum of the rule's file */
    uint64_t number; /* of the request */
    char id[20];
    struct verdict verdict;
    struct answers *answers; /* NULL: nobody asked for any */
    bool is_answering;       /* and it counts among those that are answered */
};

void shadows_open(struct shadows *s, struct router *r);

/* The worker drains: those that wait are dropped, answers are cancelled, none begins. */
void shadows_stop(struct shadows *s);
void shadows_close(struct shadows *s);

/* For bind/: is there a turn for one more of this rate? And the rule (registry of the running VM), with its call. */
bool shadow_takes(struct scope *scope, double rate);
void shadow_note(struct scope *scope, int rule, const struct shadow_call *call);

/* The request ends: its shadows begin to wait. */
void shadow_release(struct request *rq);

/* Once it has decided: writes its event, counts it and lets it go. */
void shadow_finish(struct shadow *s);

/* It waits to decide, and no more. */
void shadow_wait(struct shadow *s);
