/*
 * probe: an owner of calls that writes down what it was told, and a way to wait for conditions on the loop.
 *
 * AWAIT runs the loop until the condition holds and fails the test after a minute. The condition is looked at after every
 * event of a probe or a peer, and every 5 ms for what neither of them sees.
 */
#pragma once

#include "base/buf.h"
#include "net/loop.h"
#include "net/transport.h"

struct probe {
    struct transport *transport;
    struct call *call;
    int heads, ends, failures, status;
    struct buf body;
    size_t bytes;      /* of content, kept or not */
    bool is_forgetful; /* counts content without keeping it */
    bool pauses_at_head;
    bool cancels_at_head, cancels_at_body;
    struct probe *then; /* started from inside `end` or `failed` */
    struct err err;
    struct endpoint *to; /* of the last start, for `then` */
    struct call_request request;
};

struct stage {
    struct loop *loop;
    bool (*is_done)(void *arg);
    void *arg;
    struct timer watchdog, pulse;
    bool is_late;
};

extern struct stage stage;
void stage_open(void);
void stage_close(void);
void stage_look(void *unused);

/* Runs the loop until `is_done`; false when that took a minute. */
bool stage_await(bool (*is_done)(void *arg), void *arg);

void probe_open(struct probe *p, struct transport *t);
void probe_start(struct probe *p, struct endpoint *to, const struct call_request *request);
void probe_close(struct probe *p);
bool probe_is_done(void *probe);
