/* A real server under clients that leave, stop reading, or are many. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "host.h"
#include "wire.h"

static void gone_while_held(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.held_one);
    wire_close(&w);
    host_await(&host.was_gone);
    w = wire_open(host.port);
    wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.held_one);
    wire_reset(&w);
    host_await(&host.was_gone);
    assert_int_equal(host.gone, 2);
    assert_null(host.held);
}

/* Waits until the exchange of a ticket is over, and says what the ticket was. */
static size_t over(void)
{
    host_await(&host.was_over);
    return host.ticket;
}

static void a_ticket_is_taken_back_once_however_it_ends(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    wire_send(&w, "GET /ticket HTTP/1.1\r\n" HOST "\r\nGET /without HTTP/1.1\r\n" HOST "\r\n");
    wire_expect(&w, "GET", 200, "GET /ticket ");
    wire_expect(&w, "GET", 200, "GET /without ");
    assert_int_equal(over(), 1);
    wire_send(&w, "POST /ticket HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    wire_expect(&w, "POST", 200, "POST /ticket abcde");
    assert_int_equal(over(), 6);
    wire_send(&w, "GET /ticket/hold HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.held_one);
    wire_close(&w);
    assert_int_equal(over(), 1);
    assert_int_equal(host.gone, 1);
    w = wire_open(host.port);
    wire_send(&w, "POST /ticket HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nfour");
    wire_close(&w);
    assert_int_equal(over(), 1);
    assert_int_equal(host.gone, 1);
    assert_int_equal(host.overs, 4);
}

static void a_chunked_body_is_refused_where_it_grows_too_long(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    wire_send(&w, "POST /ticket HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n40\r\n"
                  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n40\r\n"
                  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n");
    wire_expect(&w, "POST", 403, "no more");
    assert_int_equal(over(), 129); /* before the connection lingers for the rest */
    wire_close(&w);
    assert_int_equal(host.requests, 0);
    assert_int_equal(host.overs, 1);
}

static void gone_behind_unread_pipelined_bytes(void **state)
{
    (void)state;
    char junk[512 * 1024];
    memset(junk, 'j', sizeof junk);
    for (int i = 0; i < 2; i++) {
        struct wire w = wire_open(host.port);
        wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        host_await(&host.held_one);
        fcntl(w.fd, F_SETFL, O_NONBLOCK);
        /* More than the server keeps. An end can only be seen when it fits the socket's buffer; a reset always. */
        wire_send_bytes(&w, str_n(junk, i == 0 ? 100 * 1024 : sizeof junk));
        if (i == 0)
            wire_close(&w);
        else
            wire_reset(&w);
        host_await(&host.was_gone);
    }
}

static void abort_held(void)
{
    exchange_abort(host.held);
    host.held = NULL;
}

static void aborted_and_short_replies_are_visibly_broken(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.held_one);
    host_run(abort_held);
    char byte;
    assert_int_equal(recv(w.fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    wire_close(&w);
    struct wire_reply r = wire_ask(host.port, "GET", "/short", "");
    assert_false(r.is_whole);
    wire_reply_clear(&r);
}

static void back_pressure(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    wire_send(&w, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.was_stalled);
    size_t stalled_at = host.produced;
    assert_true(stalled_at < 8 * 1024 * 1024);
    struct wire_reply r = wire_reply(&w, "GET");
    assert_true(r.is_whole);
    assert_int_equal(r.body.len, 8 * 1024 * 1024);
    assert_true(host.drains > 0);
    wire_reply_clear(&r);
    wire_send(&w, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    wire_expect(&w, "GET", 200, "GET /a ");
    wire_close(&w);
}

static void a_reader_that_stops_is_dropped(void **state)
{
    (void)state;
    struct server_limits limits = SERVER_LIMITS;
    limits.write_stall_ms = 60;
    host_restart(limits);
    struct wire w = wire_open(host.port);
    wire_send(&w, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.was_gone);
    wire_close(&w);
}

static void the_longest_idle_makes_room(void **state)
{
    (void)state;
    struct server_limits limits = SERVER_LIMITS;
    limits.connections = 2;
    host_restart(limits);
    struct wire a = wire_open(host.port), b = wire_open(host.port);
    wire_send(&a, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.held_one);
    wire_send(&b, "GET /b HTTP/1.1\r\n" HOST "\r\n");
    wire_expect(&b, "GET", 200, "GET /b ");
    struct wire_reply r = wire_ask(host.port, "GET", "/c", "");
    assert_string_equal(r.body.p, "GET /c ");
    wire_reply_clear(&r);
    wire_expect_end(&b);
    host_run(host_reply_held); /* the busy one was left alone */
    wire_expect(&a, "GET", 200, "at last");
    wire_close(&a);
    wire_close(&b);
}

static void on_done(void *arg)
{
    (void)arg;
    host.done++;
    sem_post(&host.was_done);
}

static void drain(void)
{
    server_drain(host.server, on_done, NULL);
}

static void graceful_drain(void **state)
{
    (void)state;
    struct wire idle = wire_open(host.port), busy = wire_open(host.port);
    wire_send(&idle, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    wire_expect(&idle, "GET", 200, "GET /a ");
    wire_send(&busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.held_one);
    host_run(drain);
    wire_expect_end(&idle);
    assert_int_equal(host.done, 0);
    host_run(host_reply_held);
    struct wire_reply r = wire_reply(&busy, "GET");
    assert_true(wire_has(&r, "Connection: close"));
    assert_string_equal(r.body.p, "at last");
    wire_reply_clear(&r);
    wire_expect_end(&busy);
    host_await(&host.was_done);
    wire_close(&idle);
    wire_close(&busy);
}

static struct rlimit old_limit;

static void no_descriptors_left(void)
{
    getrlimit(RLIMIT_NOFILE, &old_limit);
    int lowest = dup(0);
    close(lowest);
    struct rlimit tight = {(rlim_t)lowest, old_limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &tight);
}

static void enough_descriptors(void)
{
    setrlimit(RLIMIT_NOFILE, &old_limit);
}

static void out_of_descriptors(void **state)
{
    (void)state;
    struct wire busy = wire_open(host.port);
    wire_send(&busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.held_one);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)host.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct wire late = {.fd = socket(AF_INET, SOCK_STREAM, 0), .in = BUF(1024 * 1024)};
    host_run(no_descriptors_left);
    assert_int_equal(connect(late.fd, (struct sockaddr *)&to, sizeof to), 0);
    wire_expect_end(&late); /* turned away rather than left waiting */
    host_run(enough_descriptors);
    struct wire_reply r = wire_ask(host.port, "GET", "/a", "");
    assert_int_equal(r.status, 200);
    wire_reply_clear(&r);
    host_run(host_reply_held);
    wire_expect(&busy, "GET", 200, "at last");
    wire_close(&late);
    wire_close(&busy);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
    const struct CMUnitTest tests[] = {
        TEST(gone_while_held),
        TEST(a_ticket_is_taken_back_once_however_it_ends),
        TEST(a_chunked_body_is_refused_where_it_grows_too_long),
        TEST(gone_behind_unread_pipelined_bytes),
        TEST(aborted_and_short_replies_are_visibly_broken),
        TEST(back_pressure),
        TEST(a_reader_that_stops_is_dropped),
        TEST(the_longest_idle_makes_room),
        TEST(graceful_drain),
        TEST(out_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
