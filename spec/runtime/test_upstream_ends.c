/* upstream when things go wrong or must wait: dead connections, deadlines, the cap, cancel, pause, many held calls. */
#include "acme.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* ---- dead connections ---- */

static void test_no_reply_at_all(void **state)
{
    (void)state;
    SCRIPT({.closes = true}, {.resets = true});
    acme_ask();
    expect_failure(ERR_CONNECT, "before any reply byte");
    acme_ask();
    expect_failure(ERR_CONNECT, "before any reply byte");
    assert_int_equal(peer.requests, 2);
}

static void test_refused(void **state)
{
    (void)state;
    struct peer gone;
    SCRIPT({.say = OK_HI});
    PEER_OPEN(&gone, stage.loop, {.say = NULL});
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%d", gone.port);
    peer_close(&gone);
    acme_ask();
    expect_failure(ERR_CONNECT, "Failed to connect");
    assert_true(probe.err.retryable);
    assert_int_equal(upstream_counts(up).open, 0);
}

static void test_too_few_descriptors(void **state)
{
    (void)state;
    struct rlimit most, few;
    SCRIPT({.say = OK_HI});
    int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &most);
    few = (struct rlimit){(rlim_t)next, most.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    acme_ask();
    setrlimit(RLIMIT_NOFILE, &most);
    expect_failure(ERR_SYSTEM, "too few file descriptors");
    acme_ask();
    expect_reply(200, "hi");
}

static void test_dead_reused_connection_is_tried_once_more(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI}, {.closes = true}, {.say = OK_HI}, {.resets = true}, {.closes = true});
    acme_ask();
    expect_reply(200, "hi");
    acme_ask();
    expect_reply(200, "hi");
    assert_int_equal(peer.accepted, 2);
    assert_int_equal(peer.requests, 3);
    acme_ask();
    expect_failure(ERR_CONNECT, "before any reply byte");
    assert_int_equal(peer.accepted, 3);
    assert_int_equal(peer.requests, 5);
}

static void test_end_seen_while_sending(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI});
    acme_ask();
    peer_hang_up(&peer); /* the loop has not run since: the call finds the connection in the pool */
    acme_ask();
    expect_reply(200, "hi");
    assert_int_equal(upstream_counts(up).reused, 1);
    assert_int_equal(peer.accepted, 2);
}

static bool is_past(void *arg)
{
    return clock_ms() >= *(uint64_t *)arg;
}

/* The second try has the whole connect deadline, however long the first one had waited. */
static void test_second_try_has_its_own_connect_deadline(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI}, {.say = NULL}, {.say = OK_HI});
    acme_ask();
    struct call_request r = GET;
    r.deadlines = (struct call_deadlines){.connect = 500, .head = 30000};
    uint64_t late = clock_ms() + 600;
    unsigned two = 2;
    probe_start(&probe, &to, &r);
    assert_true(stage_await(is_asked, &two));
    assert_true(stage_await(is_past, &late));
    peer_hang_up(&peer);
    assert_true(stage_await(probe_is_done, &probe));
    expect_reply(200, "hi");
    assert_int_equal(peer.requests, 3);
}

static void test_no_second_try_after_a_byte(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI}, {.say = "H", .closes = true}, {.say = OK_HI});
    acme_ask();
    acme_ask();
    expect_failure(ERR_CUT, "inside the reply");
    assert_int_equal(peer.requests, 2);
}

/* ---- deadlines ---- */

static void test_deadlines(void **state)
{
    (void)state;
    SCRIPT({.say = NULL}, {.say = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"},
           {.say = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"}, {.say = OK_HI});
    acme_ask_within(
        (struct call_deadlines){.connect = 5000, .head = 20, .idle = 5000, .total = 5000});
    expect_failure(ERR_TIMEOUT, "head deadline");
    acme_ask_within(
        (struct call_deadlines){.connect = 5000, .head = 5000, .idle = 20, .total = 5000});
    expect_failure(ERR_TIMEOUT, "idle deadline");
    assert_int_equal(probe.heads, 1);
    acme_ask_within(
        (struct call_deadlines){.connect = 5000, .head = 5000, .idle = 5000, .total = 20});
    expect_failure(ERR_TIMEOUT, "total deadline");
    acme_ask_within(
        (struct call_deadlines){.connect = 5000, .head = 5000, .idle = 5000, .total = 5000});
    expect_reply(200, "hi");
}

/* An address that swallows: a listening socket whose queue is full. */
static void test_connect_deadline(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI});
    struct peer full;
    PEER_OPEN(&full, stage.loop, {.say = NULL});
    watch_set(&full.watch, 0);
    assert_int_equal(listen(full.fd, 0), 0);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", full.port);
    to.base_url = url;
    struct probe fillers[8];
    for (int i = 0; i < 8; i++) {
        probe_open(&fillers[i], upstream_transport(up));
        probe_start(&fillers[i], &to, &GET);
    }
    acme_ask_within((struct call_deadlines){.connect = 300});
    expect_failure(ERR_TIMEOUT, "connect deadline");
    for (int i = 0; i < 8; i++)
        upstream_transport(up)->cancel(fillers[i].call);
    assert_int_equal(upstream_counts(up).open, 0);
    peer_close(&full);
}

/* ---- the cap ---- */

static bool are_done(void *arg)
{
    struct probe *probes = arg;
    for (int i = 0; i < 6; i++)
        if (!probe_is_done(&probes[i]))
            return false;
    return true;
}

static void test_max_connections_queue(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI});
    to.max_connections = 2;
    struct probe probes[6];
    for (int i = 0; i < 6; i++) {
        probe_open(&probes[i], upstream_transport(up));
        probe_start(&probes[i], &to, &GET);
    }
    assert_int_equal(upstream_counts(up).open, 2);
    assert_int_equal(upstream_counts(up).queued, 4);
    assert_true(stage_await(are_done, probes));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(probes[i].ends, 1);
        probe_close(&probes[i]);
    }
    assert_int_equal(peer.accepted, 2);
    assert_int_equal(upstream_counts(up).queued, 0);
}

static void test_no_free_connection(void **state)
{
    (void)state;
    SCRIPT({.say = NULL}, {.say = OK_HI});
    to.max_connections = 1;
    struct probe holder;
    probe_open(&holder, upstream_transport(up));
    probe_start(&holder, &to, &GET);
    acme_ask_within((struct call_deadlines){.connect = 20});
    expect_failure(ERR_TIMEOUT, "no free connection");
    assert_int_equal(upstream_counts(up).queued, 0);
    struct call_request r = GET;
    r.deadlines.connect = 5000;
    probe_start(&probe, &to, &r);
    holder.transport->cancel(holder.call);
    assert_true(stage_await(probe_is_done, &probe));
    expect_reply(200, "hi");
}

/* ---- cancel, pause, callbacks ---- */

static void test_cancel_closes(void **state)
{
    (void)state;
    SCRIPT({.say = NULL}, {.say = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"},
           {.say = OK_HI});
    unsigned n = 1;
    probe_start(&probe, &to, &GET); /* cancelled while connecting */
    probe.transport->cancel(probe.call);
    assert_int_equal(upstream_counts(up).open, 0);
    probe_start(&probe, &to, &GET); /* while waiting for the head */
    assert_true(stage_await(is_asked, &n));
    probe.transport->cancel(probe.call);
    unsigned gone = peer.left + 1;
    assert_true(stage_await(has_left, &gone));
    probe.cancels_at_body = true; /* inside the body, from inside the callback */
    gone = peer.left + 1;
    probe_start(&probe, &to, &GET);
    assert_true(stage_await(has_left, &gone));
    assert_int_equal(probe.bytes, 3);
    assert_int_equal(probe.ends + probe.failures, 0);
    probe.cancels_at_body = false;
    probe.cancels_at_head = true;
    probe_start(&probe, &to, &GET);
    gone = peer.left + 1;
    assert_true(stage_await(has_left, &gone));
    assert_int_equal(probe.bytes + (size_t)probe.ends, 0);
    assert_int_equal(upstream_counts(up).open, 0);
}

static void test_calls_from_inside_callbacks(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI}, {.say = OK_HI}, {.closes = true}, {.closes = true}, {.say = OK_HI});
    struct probe second, third;
    probe_open(&second, upstream_transport(up));
    probe_open(&third, upstream_transport(up));
    probe.then = &second;
    second.to = &to;
    second.request = GET;
    second.then = &third;
    third.to = &to;
    third.request = GET;
    probe_start(&probe, &to, &GET);
    assert_true(stage_await(probe_is_done, &third));
    expect_reply(200, "hi");
    assert_int_equal(second.ends, 1);
    assert_int_equal(third.failures, 1);
    probe.cancels_at_head = true; /* and a cancel that starts the next, on another connection */
    probe.then = &second;
    second.then = NULL;
    second.ends = 0;
    probe_start(&probe, &to, &GET);
    assert_true(stage_await(probe_is_done, &second));
    assert_int_equal(second.ends, 1);
    assert_int_equal(probe.ends, 0);
    probe_close(&second);
    probe_close(&third);
}

static bool is_flood_stuck(void *arg)
{
    (void)arg;
    return probe.heads > 0 && peer.flooded > 0 && peer.flood_left > 0;
}

static void test_pause_bounds_a_fast_sender(void **state)
{
    (void)state;
    enum { FLOOD = 64 << 20 };
    SCRIPT({.say = "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n", .flood = FLOOD});
    probe.is_forgetful = probe.pauses_at_head = true;
    struct call_request r = GET;
    r.deadlines.idle = 50; /* a paused call does not hit it */
    probe_start(&probe, &to, &r);
    assert_true(stage_await(is_flood_stuck, NULL));
    struct probe pace; /* an idle deadline elsewhere shows that more than 50 ms passed */
    probe_open(&pace, upstream_transport(up));
    struct peer still;
    PEER_OPEN(&still, stage.loop, {.say = NULL});
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", still.port);
    struct endpoint other = {.name = "still", .base_url = url};
    struct call_request waits = {.method = "GET", .path = str_of("/"), .deadlines = {.head = 120}};
    probe_start(&pace, &other, &waits);
    assert_true(stage_await(probe_is_done, &pace));
    assert_true(probe.bytes <= 64 * 1024);
    assert_int_equal(probe.failures, 0);
    probe.transport->resume(probe.call);
    assert_true(stage_await(probe_is_done, &probe));
    assert_int_equal(probe.failures, 0);
    assert_int_equal(probe.bytes, FLOOD);
    probe_close(&pace);
    peer_close(&still);
}

static void test_pause_and_resume_at_each_piece(void **state)
{
    (void)state;
    SCRIPT({.say = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"});
    probe_start(&probe, &to, &GET);
    unsigned one = 1;
    assert_true(stage_await(is_asked, &one));
    for (size_t i = 1; i <= 6; i++) {
        probe.transport->pause(probe.call);
        peer_say(&peer, "x");
        probe.transport->resume(probe.call);
        assert_true(stage_await(has_bytes, &i));
    }
    assert_true(stage_await(probe_is_done, &probe));
    expect_reply(200, "xxxxxx");
}

/* ---- many ---- */

enum { HELD = 1500 };

static bool are_held(void *arg)
{
    (void)arg;
    return peer.requests == HELD;
}

static void test_many_held_calls(void **state)
{
    (void)state;
    struct rlimit most;
    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    if (most.rlim_cur < 2 * HELD + 200) {
        print_message("skipped: only %lu file descriptors\n", (unsigned long)most.rlim_cur);
        SCRIPT({.say = OK_HI});
        return;
    }
    SCRIPT({.say = NULL});
    struct probe *probes = calloc(HELD, sizeof *probes);
    for (int i = 0; i < HELD; i++) {
        probe_open(&probes[i], upstream_transport(up));
        probe_start(&probes[i], &to, &GET);
    }
    assert_true(stage_await(are_held, NULL));
    peer_say(&peer, OK_HI);
    for (int i = 0; i < HELD; i++) {
        assert_true(stage_await(probe_is_done, &probes[i]));
        assert_int_equal(probes[i].ends, 1);
        probe_close(&probes[i]);
    }
    assert_int_equal(upstream_counts(up).idle, HELD);
    free(probes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_reply_at_all),
        TEST(test_refused),
        TEST(test_too_few_descriptors),
        TEST(test_dead_reused_connection_is_tried_once_more),
        TEST(test_end_seen_while_sending),
        TEST(test_second_try_has_its_own_connect_deadline),
        TEST(test_no_second_try_after_a_byte),
        TEST(test_deadlines),
        TEST(test_connect_deadline),
        TEST(test_max_connections_queue),
        TEST(test_no_free_connection),
        TEST(test_cancel_closes),
        TEST(test_calls_from_inside_callbacks),
        TEST(test_pause_bounds_a_fast_sender),
        TEST(test_pause_and_resume_at_each_piece),
        TEST(test_many_held_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
