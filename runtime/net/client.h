/*
 * client: one inbound connection and the exchange on it. Private to server.c, client.c and exchange.c.
 *
 * server.c accepts and owns the clients; client.c reads: bytes become heads and bodies, one exchange at a time;
 * exchange.c writes: replies and streams. An idle client holds this struct and a watch, nothing else: everything
 * that a request needs is in the exchange, which the server lends from a small warm list at the first byte.
 *
 * Who may free what: a client is freed by client_close, but never under a caller that is still working on it:
 * client_enter and client_leave bracket every entry from the loop, and only the outermost leave frees. The
 * application may end its exchange inside a callback; `client->x` is then NULL when the callback returns.
 */
#pragma once

#include <netinet/in.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#include "base/buf.h"
#include "net/server.h"

enum {
    CLIENT_SCRATCH = 64 * 1024,
    CLIENT_SPARE_SCRATCHES = 16,
    CLIENT_LARGE = CLIENT_SCRATCH / 2, /* a body from this on that is read whole stays where it was read */
    CLIENT_AHEAD = HTTP_MAX_HEAD, /* pipelined bytes kept while a request is served */
    CLIENT_LINGER_MS = 1000,
    CLIENT_LINGER_MOST_MS = 10 * 1000, /* while bytes come: a client that sends a large body hears why it is refused */
    CLIENT_LINGER_BYTES = 64 * 1024 * 1024,
};

enum exchange_state {
    EXCHANGE_HEAD,   /* gathering the head */
    EXCHANGE_ASKED,  /* the application judges the head */
    EXCHANGE_BODY,   /* gathering the body */
    EXCHANGE_OPEN,   /* the application's */
    EXCHANGE_ENDED,  /* the reply is whole, not all of it is sent */
    EXCHANGE_LINGER, /* sent and shut down; what still comes in is thrown away */
};

struct exchange {
    struct client *client;
    struct list spare; /* in server->spare */
    void *owner;
    uint64_t ticket;
    enum exchange_state state;
    bool keep_alive, bodiless, old; /* bodiless: a reply to HEAD, or 204; old: HTTP/1.0 */
    bool begun, chunked, throttled, broken, linger;
    uint64_t started;    /* clock_ns */
    uint64_t body_since; /* loop_now */
    int64_t left;        /* of a promised Content-Length, or one of exchange.c's marks */
    size_t discarded;    /* while lingering */
    uint64_t lingers_since; /* loop_now */
    struct http_head *head; /* in the arena, cut to its real number of fields */
    struct str body;
    struct http_body framing;
    struct arena arena;
    struct buf gathered; /* a body that did not come with its head */
    char *read;          /* the server's former scratch: `body` lies in it; or NULL */
    struct buf out;
    struct timer timer; /* the one deadline of the present state */
    struct post flush;
};

struct client {
    struct server *server;
    struct watch watch;
    struct list link; /* in server->idle or server->busy */
    struct exchange *x;
    struct buf in; /* unparsed: part of a head, or pipelined requests */
    size_t scanned;
    uint64_t since; /* idle since; loop_now */
    struct post again;
    struct sockaddr_in6 peer;
    int entered;
    bool eof, dead;
};

struct server {
    struct loop *loop;
    struct watch listener;
    struct server_limits limits;
    struct server_app app;
    void *ctx;
    struct list idle, busy; /* idle: longest first */
    unsigned count;
    struct list spare;
    unsigned spares;
    struct timer idle_timer, accept_timer;
    int reserve; /* a descriptor to give up when there are none left */
    uint64_t complained;
    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
    struct post drained_post;
    time_t date_second;
    char date[40];
    struct buf head_out; /* reply heads are built here */
    struct http_head head;
    char *scratch; /* one read, and room for a NUL */
    char *spare_scratch[CLIENT_SPARE_SCRATCHES];
    unsigned spare_scratches;
};

/* ---- client.c ---- */
void client_open(struct server *s, int fd, const struct sockaddr_in6 *peer);
void client_enter(struct client *c);
void client_leave(struct client *c);
void client_close(struct client *c);
void client_reset(struct client *c); /* RST instead of FIN */
/* The client left or broke a deadline: tells the application when it holds the exchange, and closes. */
void client_gone(struct client *c);
/* Answers with an error of the server's own and closes when it is sent. */
void client_refuse(struct client *c, int status, const char *why);
/* The reply is sent: next request, idle, or close. */
void client_finished(struct client *c);
/* The deadline of the exchange's present state has passed. */
void client_deadline(struct client *c);
/* Watches what the client's state asks for. */
void client_watch(struct client *c);
/* Bytes sent, -1 for "not now", -2 for a broken connection. With client_receive the only places that touch the descriptor. */
ssize_t client_send(struct client *c, const struct iovec *pieces, int count);

/* ---- exchange.c ---- */
struct exchange *exchange_open(struct client *c);
void exchange_release(struct exchange *x);
/* Takes the ticket back, when there is one. */
void exchange_over(struct exchange *x);
void exchange_free(struct exchange *x);
void exchange_flush(struct exchange *x);

/* ---- server.c ---- */
void server_idle(struct client *c);
void server_busy(struct client *c);
void server_forget(struct client *c);
/* Gives the scratch away, another takes its place; and takes it back. */
char *server_give_scratch(struct server *s);
void server_take_scratch(struct server *s, char *scratch);
