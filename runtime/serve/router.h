/*
 * router: serves requests of one worker. It is the server's app: head and request in, decision and reply out.
 *
 * Owns no socket and no process: the worker hands it the transport, the trace and its stats slot.
 */
#pragma once

#include "base/stats.h"
#include "net/server.h"
#include "net/transport.h"
#include "policy/region.h"
#include "trace/record.h"
#include "vm/generation.h"

struct router;

struct router_options {
    struct loop *loop;
    struct transport *transport;
    struct trace *trace;       /* NULL: none */
    const char *trace_dir;
    struct stats_board *board;
    struct region *region;
    unsigned slot;
    struct generation *const *warm; /* NULL between them are free places; those that a canary may name */
    int warm_count;
    bool captures_by_default;  /* capture.share is 1 unless the project sets it (--demo, --watch) */
};

struct router *router_new(const struct router_options *options);

/* New requests begin with this generation (held); those in flight keep theirs. */
void router_use(struct router *r, struct generation *g);

/* The worker is about to end: what no client waits for is cancelled. */
void router_drain(struct router *r);

/* Ends every request in flight (their clients get an error or a cut stream) and frees. */
void router_free(struct router *r);

extern const struct server_app ROUTER_APP; /* its ctx is the router */
