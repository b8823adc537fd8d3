/* upstream over plain connections: what is sent, how replies are framed, what is reused. A peer and a probe share one loop. */
#include "acme.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- requests ---- */

static void test_request_as_sent(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI});
    struct iovec pieces[] = {{"{\"a\"", 4}, {":", 1}, {"1}", 2}};
    struct call_request post = {.method = "POST",
                                .path = str_of("/chat/completions?a=b"),
                                .fields = str_of("authorization: Bearer k\r\n"),
                                .body = pieces,
                                .body_count = 3};
    probe_start(&probe, &to, &post);
    assert_int_equal(probe.heads + probe.ends + probe.failures, 0);
    assert_true(stage_await(probe_is_done, &probe));
    expect_reply(200, "hi");
    char want[512];
    snprintf(want, sizeof want,
             "POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nauthorization: "
             "Bearer k\r\n"
             "Content-Length: 7\r\n\r\n{\"a\":1}",
             peer.port);
    assert_string_equal(peer.seen.p, want);
}

static void test_reuse_is_newest_first(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI});
    for (int i = 0; i < 5; i++) {
        acme_ask();
        expect_reply(200, "hi");
    }
    struct upstream_counts counts = upstream_counts(up);
    assert_int_equal(peer.accepted, 1);
    assert_int_equal(counts.opened, 1);
    assert_int_equal(counts.reused, 4);
    assert_int_equal(counts.open, 1);
    assert_int_equal(counts.idle, 1);
}

static void test_pool_is_keyed_by_value(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI});
    acme_ask();
    char same[64];
    snprintf(same, sizeof same, "%s", base_url);
    struct endpoint twin = {.name = "acme of the next generation", .base_url = same};
    probe_start(&probe, &twin, &GET);
    assert_true(stage_await(probe_is_done, &probe));
    assert_int_equal(peer.accepted, 1);
    twin.is_private = true;
    probe_start(&probe, &twin, &GET);
    assert_true(stage_await(probe_is_done, &probe));
    assert_int_equal(peer.accepted, 2);
}

static void test_bad_requests_and_endpoints(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI});
    struct call_request bad = {.method = "GET", .path = str_of("/a b")};
    probe_start(&probe, &to, &bad);
    assert_int_equal(probe.failures, 0);
    assert_true(stage_await(probe_is_done, &probe));
    expect_failure(ERR_SYSTEM, "path");
    static const char *const URLS[] = {"ftp://h/",        "//h",           "h",
                                       "http://",         "http://u:p@h/", "http://h:0/",
                                       "http://h:99999/", "http://h/?q",   "http://[::1/",
                                       "http://h\\@x/",   "http://a b/",   "http://[1.2.3.4]/"};
    for (size_t i = 0; i < sizeof URLS / sizeof *URLS; i++) {
        to.base_url = URLS[i];
        acme_ask();
        expect_failure(ERR_CONNECT, "base_url");
    }
    to.base_url = base_url;
    to.proxy = "gopher://x:1";
    acme_ask();
    expect_failure(ERR_CONNECT, "proxy");
    assert_int_equal(peer.accepted, 0);
}

/* ---- replies ---- */

static void test_framings(void **state)
{
    (void)state;
    SCRIPT({.say = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"},
           {.say = "HTTP/1.1 204 No Content\r\n\r\n"},
           {.say = "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"},
           {.say = "HTTP/1.1 200 OK\r\n\r\nuntil close", .closes = true}, {.say = OK_HI});
    acme_ask();
    expect_reply(200, "abcde");
    acme_ask();
    expect_reply(204, "");
    acme_ask();
    expect_reply(429, "");
    acme_ask();
    expect_reply(200, "until close");
    assert_int_equal(peer.accepted, 1);
    assert_int_equal(upstream_counts(up).open, 0);
    acme_ask();
    expect_reply(200, "hi");
    assert_int_equal(peer.accepted, 2);
}

static void test_head_method_has_no_body(void **state)
{
    (void)state;
    SCRIPT({.say = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"});
    struct call_request head = {.method = "HEAD", .path = str_of("/x")};
    for (int i = 0; i < 2; i++) {
        probe_start(&probe, &to, &head);
        assert_true(stage_await(probe_is_done, &probe));
        expect_reply(200, "");
    }
    assert_int_equal(peer.accepted, 1);
}

static void test_connection_close_is_not_reused(void **state)
{
    (void)state;
    SCRIPT({.say = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"});
    acme_ask();
    expect_reply(200, "hi");
    acme_ask();
    expect_reply(200, "hi");
    assert_int_equal(peer.accepted, 2);
}

static void test_bytes_after_the_reply_end_the_connection(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI "HTTP/1.1 200 OK\r\n"}, {.say = OK_HI});
    acme_ask();
    expect_reply(200, "hi");
    assert_int_equal(upstream_counts(up).open, 0);
    acme_ask();
    expect_reply(200, "hi");
    assert_int_equal(peer.accepted, 2);
}

static bool has_none_open(void *arg)
{
    (void)arg;
    return peer.left == 1;
}

static void test_byte_on_idle_connection_closes_it(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI});
    acme_ask();
    peer_say(&peer, "x");
    assert_true(stage_await(has_none_open, NULL));
    assert_int_equal(upstream_counts(up).idle, 0);
    assert_int_equal(upstream_counts(up).open, 0);
}

static void test_informational_heads_are_skipped(void **state)
{
    (void)state;
    SCRIPT(
        {.say = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" OK_HI},
        {.say = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"});
    acme_ask();
    expect_reply(200, "hi");
    acme_ask();
    expect_failure(ERR_MALFORMED, "switching");
}

static struct peer_line pieces[1];

/* Byte by byte through a second probe's eyes: each send is its own segment, and the loop runs between them. */
static void test_reply_byte_by_byte(void **state)
{
    (void)state;
    static const char REPLY[] =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;x=y\r\nabc\r\n0\r\nt: v\r\n\r\n";
    peer_open(&peer, stage.loop, 0, pieces, 1);
    acme_aim();
    probe_start(&probe, &to, &GET);
    unsigned one = 1;
    assert_true(stage_await(is_asked, &one));
    struct peer beside;
    PEER_OPEN(&beside, stage.loop, {.say = OK_HI});
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", beside.port);
    struct endpoint other = {.name = "beside", .base_url = url};
    struct probe pace;
    probe_open(&pace, upstream_transport(up));
    for (const char *p = REPLY; *p; p++) {
        assert_int_equal(probe.ends, 0);
        peer_say(&peer, (char[]){*p, 0});
        probe_start(&pace, &other, &GET);
        assert_true(stage_await(probe_is_done, &pace));
    }
    assert_true(stage_await(probe_is_done, &probe));
    expect_reply(200, "abc");
    assert_int_equal(upstream_counts(up).idle, 2);
    probe_close(&pace);
    peer_close(&beside);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const REPLIES[] = {
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    SCRIPT({.say = REPLIES[0]}, {.say = REPLIES[1]}, {.say = REPLIES[2]}, {.say = REPLIES[3]},
           {.say = REPLIES[4]});
    for (int i = 0; i < 5; i++) {
        acme_ask();
        expect_failure(ERR_MALFORMED, "");
        assert_int_equal(upstream_counts(up).open, 0);
    }
}

static void test_cut(void **state)
{
    (void)state;
    SCRIPT({.say = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", .closes = true},
           {.say = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            .closes = true},
           {.say = "HTTP/1.1 200 O", .closes = true},
           {.say = "HTTP/1.1 200 OK\r\n\r\nabc", .resets = true});
    for (int i = 0; i < 4; i++) {
        acme_ask();
        expect_failure(ERR_CUT, "inside the reply");
    }
    assert_int_equal(peer.accepted, 4);
}

static void test_early_reply(void **state)
{
    (void)state;
    static char big[8 << 20];
    SCRIPT({.say = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno",
            .is_early = true,
            .stops_reading = true},
           {.say = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno",
            .is_early = true,
            .closes = true});
    struct iovec body = {big, sizeof big};
    struct call_request post = {
        .method = "POST", .path = str_of("/x"), .body = &body, .body_count = 1};
    for (int i = 0; i < 2; i++) {
        probe_start(&probe, &to, &post);
        assert_true(stage_await(probe_is_done, &probe));
        expect_reply(413, "no");
        assert_int_equal(upstream_counts(up).open, 0);
    }
}

static void test_large_body_in_many_pieces(void **state)
{
    (void)state;
    enum { PIECES = 40, SIZE = 128 * 1024 };
    char *bytes = malloc(SIZE);
    struct iovec views[PIECES];
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)('a' + i % 23);
    for (int i = 0; i < PIECES; i++)
        views[i] = (struct iovec){bytes, SIZE};
    SCRIPT({.say = OK_HI});
    struct call_request post = {
        .method = "POST", .path = str_of("/x"), .body = views, .body_count = PIECES};
    probe_start(&probe, &to, &post);
    assert_true(stage_await(probe_is_done, &probe));
    expect_reply(200, "hi");
    const char *body = strstr(peer.seen.p, "\r\n\r\n") + 4;
    assert_int_equal(peer.seen.len - (size_t)(body - peer.seen.p), PIECES * SIZE);
    for (int i = 0; i < PIECES; i++)
        assert_memory_equal(body + (size_t)i * SIZE, bytes, SIZE);
    assert_int_equal(upstream_counts(up).idle, 1);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request_as_sent),
        TEST(test_reuse_is_newest_first),
        TEST(test_pool_is_keyed_by_value),
        TEST(test_bad_requests_and_endpoints),
        TEST(test_framings),
        TEST(test_head_method_has_no_body),
        TEST(test_connection_close_is_not_reused),
        TEST(test_bytes_after_the_reply_end_the_connection),
        TEST(test_byte_on_idle_connection_closes_it),
        TEST(test_informational_heads_are_skipped),
        TEST(test_reply_byte_by_byte),
        TEST(test_malformed),
        TEST(test_cut),
        TEST(test_early_reply),
        TEST(test_large_body_in_many_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
