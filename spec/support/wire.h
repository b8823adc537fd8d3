/*
 * wire: a blocking HTTP client for tests that want to see, and send, exact bytes on loopback.
 *
 * Every read has a deadline of five seconds and fails the test when it passes.
 *
 *     struct wire w = wire_open(port);
 *     wire_send(&w, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
 *     struct wire_reply r = wire_reply(&w, "GET");
 *     wire_reply_clear(&r); wire_close(&w);
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

#define HOST "Host: x\r\n"

struct wire {
    int fd;
    struct buf in;
};

struct wire_reply {
    int status; /* 0: the connection ended before a whole head */
    struct buf head, body;
    bool is_whole; /* the body ended as its framing says */
};

struct wire wire_open(int port);
void wire_close(struct wire *w);
void wire_reset(struct wire *w); /* RST */
void wire_send(struct wire *w, const char *text);
void wire_send_bytes(struct wire *w, struct str bytes);

/* The next reply, 1xx included; chunked bodies come unchunked. `method` is that of the request. */
struct wire_reply wire_reply(struct wire *w, const char *method);
void wire_reply_clear(struct wire_reply *r);

/* The reply has this complete field line. */
bool wire_has(const struct wire_reply *r, const char *line);

/* Reads until the server closes; everything that came. The caller clears it. */
struct buf wire_rest(struct wire *w);

/* One request on a connection of its own. */
struct wire_reply wire_ask(int port, const char *method, const char *target, const char *body);

/* The next reply is whole and has this status and body. */
void wire_expect(struct wire *w, const char *method, int status, const char *body);

/* The server closes, without another byte. */
void wire_expect_end(struct wire *w);
