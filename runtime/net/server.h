/*
 * server: accepts HTTP/1.1 on one listening socket and hands whole requests to its owner.
 *
 * The server owns connections and exchanges; the owner of the application holds a `struct exchange *`
 * from `request` until it ends it (exchange_end or exchange_abort) or `gone` tells it that the client
 * left, after which the pointer is dead. Exactly one of these happens. Callbacks may end the exchange
 * inside themselves. Requests that a client pipelines are served one after another, in order.
 *
 *     struct server *s = server_new(loop, fd, &limits, &app, ctx);
 *     static void request(void *ctx, struct exchange *x) { exchange_reply(x, 200, "text/plain", str_of("hi\n")); }
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/http.h"
#include "net/loop.h"

struct server;
struct exchange;

struct server_limits {
    size_t body;             /* bytes; 413 above (32 MiB) */
    unsigned connections;    /* above, the longest idle closes, else new ones wait (20,000) */
    unsigned header_ms;      /* a whole head within this, from its first byte (10 s) */
    unsigned body_idle_ms;   /* between two reads of a body (30 s) */
    unsigned body_min_rate;  /* bytes per second over the whole body after the first 10 s (1024) */
    unsigned idle_ms;        /* keep-alive between requests (75 s) */
    unsigned write_stall_ms; /* no progress while bytes wait to be written (60 s) */
    size_t output_high;      /* back-pressure above this many unsent bytes (256 KiB) */
};
/* The defaults in brackets. */
extern const struct server_limits SERVER_LIMITS;

struct server_app {
    /*
     * The head is complete, no body byte was handed over and no 100-continue sent. Returns true to go on; or
     * answers with exchange_reply and returns false: the body is not read and the connection closes.
     * May be NULL.
     */
    bool (*head)(void *ctx, struct exchange *x);
    /* A body without a length grew to `size` bytes and goes on. Like head: true, or an answer and false. May be NULL. */
    bool (*body)(void *ctx, struct exchange *x, size_t size);
    /* Head and body are complete. */
    void (*request)(void *ctx, struct exchange *x);
    /* The client left (or broke a deadline) while the exchange was open. The exchange is gone on return. */
    void (*gone)(void *ctx, struct exchange *x);
    /* Output fell below output_high / 4 after exchange_write had reported back-pressure. May be NULL. */
    void (*drained)(void *ctx, struct exchange *x);
    /*
     * An exchange with a ticket is over: its reply is sent, or it was cut, or the client left, be it before its body was complete.
     * Once for each ticket, after all else, and the exchange is gone on return. May be NULL.
     */
    void (*over)(void *ctx, struct exchange *x);
    /*
     * What came is no request (not HTTP, too large, too slow), with the status and the words that say so. Answers with exchange_reply; exchange_head is NULL
     * when the head itself is at fault. NULL: a plain answer in OpenAI's shape.
     */
    void (*refused)(void *ctx, struct exchange *x, int status, const char *why);
};

/* Takes over the listening descriptor `fd` (non-blocking). */
struct server *server_new(struct loop *loop, int fd, const struct server_limits *limits,
                          const struct server_app *app, void *ctx);

/* No new connections; idle ones close; open exchanges finish with Connection: close; `done` runs once when none is left. */
void server_drain(struct server *s, void (*done)(void *arg), void *arg);

/* Closes everything at once; `gone` is called for open exchanges. */
void server_free(struct server *s);

unsigned server_connections(const struct server *s);

/* Another limit for the bodies of requests that begin later. */
void server_set_body_limit(struct server *s, size_t bytes);

/* ---- the request, valid until the exchange ends ---- */
const struct http_head *exchange_head(const struct exchange *x);
/* Contiguous, as sent, unchunked. */
struct str exchange_body(const struct exchange *x);
/* Lives as long as the exchange; 64 MiB ceiling. */
struct arena *exchange_arena(struct exchange *x);
/*
 * The memory of a request whose answer is about to be written, for whoever needs head and body beyond it: both, and all in the arena, stay where they are until the caller
 * clears it. The exchange goes on with an empty arena.
 */
struct exchange_memory {
    struct arena arena;
    struct buf body; /* one that came in pieces */
    char *read;      /* what one lies in that came whole and is large; NULL */
};
void exchange_take(struct exchange *x, struct exchange_memory *out);
void exchange_memory_clear(struct exchange_memory *m);

/* clock_ns when the first byte of the head came. */
uint64_t exchange_started(const struct exchange *x);
/* "127.0.0.1:5000" or "unix". */
struct str exchange_peer(const struct exchange *x);
void exchange_set_owner(struct exchange *x, void *owner);
void *exchange_owner(const struct exchange *x);
/* A number of the application's that stays until `over`, which is called unless it is 0 (as it is when the head comes). */
void exchange_set_ticket(struct exchange *x, uint64_t ticket);
uint64_t exchange_ticket(const struct exchange *x);

/* ---- the reply ---- */

/*
 * A whole reply in one write. `fields` are complete lines each ending in CRLF ("x-a: b\r\n"), or empty.
 * Adds Content-Length, Date, Connection. Ends the exchange. HEAD requests get no body.
 */
void exchange_reply(struct exchange *x, int status, const char *content_type, struct str fields,
                    struct str body);

/* Begins a streamed reply: chunked for 1.1, until close for 1.0. `length` ≥ 0 sends Content-Length instead. Nothing is sent before the first flush, write or end. */
void exchange_begin(struct exchange *x, int status, const char *content_type, struct str fields,
                    int64_t length);

/* A reply without a head: what is written goes out as it is, and the end closes the connection. For simulated faults. */
void exchange_begin_raw(struct exchange *x);

/*
 * Appends content and sends it before the loop sleeps again (one send for all of one round's writes; TCP_NODELAY is on).
 * Returns false when more than output_high bytes are unsent: stop producing until `drained`. Nothing is lost.
 */
bool exchange_write(struct exchange *x, struct str bytes);

/* Ends a streamed reply well-formed. */
void exchange_end(struct exchange *x);

/* Ends it visibly broken: the connection is reset so that the client cannot take it for whole. */
void exchange_abort(struct exchange *x);

bool exchange_begun(const struct exchange *x); /* a reply head was queued */

/* Is it written as an address, whoever has it? */
int listen_check(const char *address, struct err *err);

/*
 * Opens a listening socket. With reuse_port a port that another program shares the same way is not noticed: open it once without first.
 * `address`: "127.0.0.1:8080", "[::1]:0", ":8080", "unix:/path". -1 with words that
 * say what to do (port in use, no permission, bad address). A Unix socket that nobody answers on is replaced.
 */
int listen_open(const char *address, bool reuse_port, struct err *err);

/* The bound address as "127.0.0.1:43211" or "unix:/path". */
char *listen_name(int fd, char *out, size_t size);
