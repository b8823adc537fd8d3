/*
 * shadow: rules of wye.shadow, run after the answer has left. Each is an event of its own in the trace, which readers join to the request's decision (trace/late.h).
 *
 * A rule gets the same request and a coroutine, memory and time of its own, and no hands: what it would ask is counted and ends its run, wye.kv is empty, notes and metrics go
 * nowhere, no experiment counts an exposure. All shadows of a worker take at most a tenth of its time: past that they wait, 64 at most, and are dropped and counted.
 */
#pragma once

#include "base/list.h"
#include "base/str.h"
#include "net/loop.h"

struct request;
struct router;
struct scope;

enum { SHADOW_WAITING = 64, SHADOW_BODY = 256 * 1024 };

/* Of a worker. */
struct shadows {
    struct router *router;
    struct list waiting, free;
    int count; /* noted and not run yet */
    struct timer next;
    uint64_t spent_us, spent_at_us; /* script time, less a tenth of what passed since */
};

void shadows_open(struct shadows *s, struct router *r);
void shadows_close(struct shadows *s); /* those that wait are dropped */

/* For bind/: is there a turn for one more of this rate? And the rule (registry of the running VM), with its place. */
bool shadow_takes(struct scope *scope, double rate);
void shadow_note(struct scope *scope, int rule, struct str where);

/* The request ends: its shadows begin to wait. */
void shadow_release(struct request *rq);
