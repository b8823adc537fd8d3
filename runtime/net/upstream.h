/*
 * upstream: the transport over real connections. libcurl opens and secures them (CONNECT_ONLY), http frames them.
 *
 * One per worker. Owns the pool: connections wait per endpoint (same base_url, proxy, ca_file, is_private) and are
 * reused newest first after a clean end; any byte or end on a waiting one closes it. A call on a reused connection that dies before any reply
 * byte is tried once more on a new one. Redirects are never followed.
 *
 *     struct upstream *up = upstream_new(loop);
 *     struct transport *t = upstream_transport(up);
 */
#pragma once

#include "net/loop.h"
#include "net/transport.h"

struct upstream;

struct upstream *upstream_new(struct loop *loop);

/* Cancels nothing: the owner has ended its calls. Closes every connection. */
void upstream_free(struct upstream *up);

struct transport *upstream_transport(struct upstream *up);

struct upstream_counts {
    unsigned open, idle, queued;
    uint64_t opened, reused, refused_address;
};
struct upstream_counts upstream_counts(const struct upstream *up);

/* Closes idle connections older than their keep-alive (called by the owner's safety tick too). */
void upstream_sweep(struct upstream *up);
