/*
 * acme: the stage of the upstream specs: one upstream, one probe, one peer and the endpoint "acme" that leads to it.
 *
 * SCRIPT opens the peer and must come in each test that runs on this stage.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/upstream.h"
#include "peer.h"
#include "probe.h"

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

extern struct upstream *up;
extern struct peer peer;
extern struct probe probe;
extern char base_url[64];
extern struct endpoint to;

extern const struct call_request GET;

int acme_open(void **state);
int acme_close(void **state);

/* Points the endpoint at the peer. */
void acme_aim(void);

/* One GET, until it has ended or failed. */
void acme_ask(void);
void acme_ask_within(struct call_deadlines deadlines);

void expect_failure(enum err_kind kind, const char *words);
void expect_reply(int status, const char *body);

/* Conditions for stage_await; the argument is the number to reach. */
bool is_asked(void *requests);
bool has_left(void *clients);
bool has_bytes(void *bytes);

#define SCRIPT(...)                                                                                \
    do {                                                                                           \
        PEER_OPEN(&peer, stage.loop, __VA_ARGS__);                                                 \
        acme_aim();                                                                                \
    } while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, acme_open, acme_close)
