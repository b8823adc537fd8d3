/*
 * transport: the seam between "a call to a provider" and the network.
 *
 * net/upstream implements it over pooled connections; replay and the test kit's fake host stand in for it.
 * A call ends exactly once: `end`, `failed`, or call_cancel by its owner (after which nothing is called).
 * Nothing is called back from inside transport->start or call_cancel. `failed` may come at any time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "net/http.h"

/* Where to: made from a provider's configuration, outlives its calls. */
struct endpoint {
    const char *name;         /* of the provider, for messages and metrics */
    const char *base_url;     /* "https://api.openai.com/v1"; no trailing slash needed */
    const char *proxy;        /* "http://host:port", "socks5h://host:port"; NULL: direct */
    const char *ca_file;      /* PEM; NULL: the system's */
    unsigned max_connections; /* at once; further calls queue for their connect deadline */
    bool is_private;          /* a name may resolve to a private, loopback or link-local address */
};

/* Milliseconds from the start of the call; 0: none. */
struct call_deadlines {
    unsigned connect; /* until connected (and, for a queued call, until a connection is free) */
    unsigned head;    /* until the reply's head */
    unsigned idle;    /* between two reads of the reply */
    unsigned total;
};

struct call_request {
    const char *method;
    struct str path;       /* appended to base_url's path: "/chat/completions" */
    struct str fields;     /* complete lines ending in CRLF: authorisation, content type, …; Host, Content-Length come from the transport */
    const struct iovec *body; /* views that stay valid until the call ends */
    int body_count;
    struct call_deadlines deadlines;
};

struct call;

struct call_events {
    void (*head)(void *ctx, const struct http_head *head); /* final status (never 1xx); views valid inside only */
    void (*body)(void *ctx, struct str bytes);             /* content, unframed; valid inside only */
    void (*end)(void *ctx);                                /* the reply was whole */
    /* ERR_CONNECT before any reply byte, ERR_CUT after, ERR_MALFORMED, ERR_TIMEOUT (message names which deadline), ERR_SYSTEM */
    void (*failed)(void *ctx, const struct err *err);
};

struct transport {
    /* Never fails at once: what goes wrong comes through `failed`. */
    struct call *(*start)(struct transport *t, struct endpoint *to, const struct call_request *request,
                          const struct call_events *events, void *ctx);
    void (*pause)(struct call *c);  /* stop reading the reply; at most one read's bytes still come */
    void (*resume)(struct call *c);
    void (*cancel)(struct call *c); /* closes the connection unless the reply had ended */
};
