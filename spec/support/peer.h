/*
 * peer: a scripted HTTP server on the loop under test, the far end of the wire.
 *
 * Each request (head and Content-Length body) takes the next line of the script; the last one repeats. What the peer has seen
 * stays readable: connections accepted, connections that the client closed, requests with their bytes.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "net/loop.h"

struct peer_line {
    const char *say;    /* sent as it is; NULL: nothing */
    size_t flood;       /* then so many bytes of 'x', as fast as they are taken */
    bool is_early;      /* answer at the first bytes of a request, without waiting for the rest */
    bool closes;        /* then close */
    bool resets;        /* then reset */
    bool stops_reading; /* take no more bytes from this connection */
};

struct peer {
    struct loop *loop;
    int fd;
    int port;
    struct watch watch;
    struct list conns;
    const struct peer_line *script;
    int lines, at;
    unsigned accepted, left, requests; /* left: connections whose client has gone */
    size_t flooded, flood_left;
    struct buf seen; /* every byte received */
    void (*changed)(void *arg);
    void *arg;
};

/* Listens on 127.0.0.1, on a free port (or on `port`, not 0). */
void peer_open(struct peer *p, struct loop *loop, int port, const struct peer_line *script,
               int lines);
void peer_close(struct peer *p);

/* Replaces the script. */
void peer_script(struct peer *p, const struct peer_line *script, int lines);

/* Sends bytes on every open connection; closes every open connection. */
void peer_say(struct peer *p, const char *text);
void peer_hang_up(struct peer *p);

#define PEER_OPEN(p, loop, ...)                                                                    \
    peer_open(p, loop, 0, (const struct peer_line[]){__VA_ARGS__},                                 \
              sizeof((const struct peer_line[]){__VA_ARGS__}) / sizeof(struct peer_line))
