/*
 * pool: the inside of upstream: the connections of one endpoint, idle, used or opening, and the calls that wait for one.
 *
 * A connection serves one call at a time and belongs to its pool for life. The pool never calls back into
 * the owner of a call from pool_admit, pool_put or pool_drop, so that these may run anywhere. A connection that is
 * dropped while its own readiness is being handled is freed when that returns.
 */
#pragma once

#include "base/buf.h"
#include "net/connect.h"
#include "net/upstream.h"

enum {
    POOL_TABLE = 64,          /* chains of pools, by hash of the endpoint */
    POOL_SCRATCH = 64 * 1024, /* one read */
    POOL_GATHERED = 4 * 1024, /* what is left to send is sent as one piece up to this: a copy costs less than the kernel's walk over pieces */
    POOL_SPARE_CALLS = 256,   /* kept for reuse */
    POOL_IDLE_MS = 60 * 1000, /* how long a connection waits for its next call */
    POOL_SWEEP_MS = 5 * 1000,
};

struct upstream {
    struct transport transport; /* first: its address is the upstream's */
    struct loop *loop;
    struct pool *pools[POOL_TABLE];
    struct list spare; /* calls */
    unsigned spare_count;
    struct timer sweep;
    struct upstream_counts counts;
    char scratch[POOL_SCRATCH];
    char gathered[POOL_GATHERED];
};

struct pool {
    struct pool *next; /* of the chain */
    uint64_t hash;
    struct upstream *up;
    char *base_url, *proxy, *ca_file; /* the key, with is_private of the target */
    struct target target;
    struct err bad; /* when the endpoint cannot be understood: every call gets it */
    struct connector *connector;
    char *host_lines; /* " HTTP/1.1\r\nHost: …\r\n" */
    size_t host_lines_len, path_len;
    struct list idle;    /* connections, longest idle first */
    struct list used;    /* connections with a call, opening ones among them */
    struct list waiting; /* calls, first come first */
    unsigned open, most; /* most: 0 is without limit */
    uint64_t last_used;
};

struct conn {
    struct list link; /* idle or used */
    struct pool *pool;
    struct call *call; /* NULL while idle */
    struct connect io;
    struct watch watch;
    struct buf in;    /* a reply's head that came in pieces */
    struct post post; /* goes on reading what TLS has already taken from the socket */
    uint64_t idle_since;
    bool is_reused; /* has served a call before this one */
    bool is_busy;   /* its readiness is being handled */
    bool is_closed;
};

/* The pool of that endpoint, made at first use. */
struct pool *pool_of(struct upstream *up, const struct endpoint *to);

/* Gives the call a connection: the newest idle one, a new one, or its place in the queue. */
void pool_admit(struct pool *p, struct call *c);

/* The reply ended cleanly: the next waiting call gets the connection, or it idles. */
void pool_put(struct conn *n);

/* Closes the connection; the next waiting call may open one. */
void pool_drop(struct conn *n);

/* Closes a dead connection and opens a new one for its call in its place. */
void pool_reopen(struct conn *n);

/* Reads again in the next round. */
void pool_read_again(struct conn *n);

/* Closes what idled too long; frees the pool itself when nothing needs it. */
void pool_sweep(struct pool *p);

void pool_free(struct pool *p);
