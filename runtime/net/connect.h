/*
 * connect: opens connections with libcurl (names, proxies, TLS and certificates) and moves bytes over them.
 *
 * A connector opens connections to one target. All waiting happens on the loop; `opened` runs from the loop, never
 * inside connect_start, once, unless connect_close comes first. What libcurl opened without TLS is a plain
 * socket, so it is taken over and its libcurl handle freed at once (a handle costs some 8 KiB and a
 * search for each call of curl_easy_recv); behind TLS the handle stays until connect_close. Handles share
 * multis, 48 to each: every multi costs three descriptors, every handle in it lengthens that search.
 *
 * The address check (net/address.h) sits where libcurl asks for a socket, so nothing resolves around it.
 */
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"
#include "net/loop.h"
#include "net/target.h"

struct connector;

/* `target` must outlive it. */
struct connector *connector_new(struct loop *loop, const struct target *target);

/* Every connection has been closed. */
void connector_free(struct connector *c);

/* How often a resolved address was refused. */
uint64_t connector_refused(const struct connector *c);

struct opening;
struct group;

/* One connection, embedded in its owner; zero-initialised is closed. */
struct connect {
    int fd; /* valid once opened */
    bool is_open;
    void *easy;              /* CURL *: while opening, and for as long as TLS needs it */
    struct opening *opening; /* while opening */
    struct group *group;     /* that `easy` belongs to */
};

/* Begins to open. `opened` gets NULL, or what went wrong (ERR_CONNECT, ERR_SYSTEM), after which it is closed. */
void connect_start(struct connect *c, struct connector *by,
                   void (*opened)(void *arg, const struct err *err), void *arg);

/* Closes in any state; harmless when closed. */
void connect_close(struct connect *c);

enum { CONNECT_AGAIN = -1, CONNECT_FAILED = -2 };

/* Sends from `count` views, as much as fits: bytes taken, CONNECT_AGAIN or CONNECT_FAILED. */
ssize_t connect_send(struct connect *c, const struct iovec *views, int count);

/*
 * Receives: bytes, 0 at a clean end, CONNECT_AGAIN, or CONNECT_FAILED (reset; TLS that ends without close_notify).
 * Behind TLS call it until CONNECT_AGAIN: bytes already decrypted are not announced by the socket.
 */
ssize_t connect_recv(struct connect *c, void *p, size_t size);

static inline bool connect_is_tls(const struct connect *c)
{
    return c->easy;
}
