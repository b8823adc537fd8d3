#include "acme.h"

#include <stdio.h>
#include <string.h>

struct upstream *up;
struct peer peer;
struct probe probe;
char base_url[64];
struct endpoint to;

const struct call_request GET = {.method = "GET", .path = {"/x", 2}};

int acme_open(void **state)
{
    (void)state;
    stage_open();
    up = upstream_new(stage.loop);
    probe_open(&probe, upstream_transport(up));
    return 0;
}

int acme_close(void **state)
{
    (void)state;
    probe_close(&probe);
    upstream_free(up);
    peer_close(&peer);
    stage_close();
    return 0;
}

void acme_aim(void)
{
    peer.changed = stage_look;
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%d/v1", peer.port);
    to = (struct endpoint){.name = "acme", .base_url = base_url};
}

void acme_ask(void)
{
    probe_start(&probe, &to, &GET);
    assert_true(stage_await(probe_is_done, &probe));
}

void expect_failure(enum err_kind kind, const char *words)
{
    assert_int_equal(probe.failures, 1);
    assert_int_equal(probe.ends, 0);
    if (probe.err.kind != kind || strstr(probe.err.message, words) == NULL)
        fail_msg("expected %s and \"%s\", got %s: %s", err_kind_name(kind), words,
                 err_kind_name(probe.err.kind), probe.err.message);
    assert_int_equal(strncmp(probe.err.message, "acme: ", 6), 0);
}

void expect_reply(int status, const char *body)
{
    if (probe.failures)
        fail_msg("failed: %s", probe.err.message);
    assert_int_equal(probe.ends, 1);
    assert_int_equal(probe.heads, 1);
    assert_int_equal(probe.status, status);
    assert_string_equal(probe.body.len ? probe.body.p : "", body);
}

bool is_asked(void *arg)
{
    return peer.requests >= *(unsigned *)arg;
}

bool has_bytes(void *arg)
{
    return probe.bytes >= *(size_t *)arg;
}

bool has_left(void *arg)
{
    return peer.left >= *(unsigned *)arg;
}

void acme_ask_within(struct call_deadlines deadlines)
{
    struct call_request r = GET;
    r.deadlines = deadlines;
    probe_start(&probe, &to, &r);
    assert_true(stage_await(probe_is_done, &probe));
}
