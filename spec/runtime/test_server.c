/* A real server driven by exact bytes: what it answers and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "host.h"
#include "shared.h"
#include "wire.h"

/* An error of the server's own, after which it closes. */
static void expect_refusal(struct wire *w, int status)
{
    struct wire_reply r = wire_reply(w, "GET");
    assert_int_equal(r.status, status);
    assert_true(wire_has(&r, "Connection: close"));
    assert_non_null(strstr(r.body.p, "\"type\":\"invalid_request_error\""));
    wire_reply_clear(&r);
    wire_expect_end(w);
}

static void keep_alive_and_fields(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    for (int i = 0; i < 3; i++) {
        wire_send(&w, "GET /a HTTP/1.1\r\n" HOST "\r\n");
        struct wire_reply r = wire_reply(&w, "GET");
        assert_string_equal(r.body.p, "GET /a ");
        assert_true(wire_has(&r, "x-test: yes"));
        assert_true(wire_has(&r, "Content-Length: 7"));
        assert_false(wire_has(&r, "Connection: close"));
        assert_non_null(strstr(r.head.p, "\r\nDate: "));
        wire_reply_clear(&r);
    }
    assert_int_equal(server_connections(host.server), 1);
    wire_close(&w);
}

static void pipelined_in_one_segment(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    wire_send(&w, "GET /1 HTTP/1.1\r\n" HOST "\r\n"
                  "POST /2 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                  "POST /3 HTTP/1.1\r\n" HOST
                  "Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                  "GET /stream HTTP/1.1\r\n" HOST "\r\n"
                  "GET /4 HTTP/1.1\r\n" HOST "\r\n");
    wire_expect(&w, "GET", 200, "GET /1 ");
    wire_expect(&w, "POST", 200, "POST /2 abc");
    wire_expect(&w, "POST", 200, "POST /3 def");
    wire_expect(&w, "GET", 200, "one two");
    wire_expect(&w, "GET", 200, "GET /4 ");
    wire_close(&w);
}

static void byte_by_byte(void **state)
{
    (void)state;
    static const char text[] =
        "POST /1 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
        "POST /2 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\ndef\r\n0\r\n\r\n";
    struct wire w = wire_open(host.port);
    for (const char *p = text; *p; p++)
        wire_send_bytes(&w, str_n(p, 1));
    wire_expect(&w, "POST", 200, "POST /1 abc");
    wire_expect(&w, "POST", 200, "POST /2 def");
    wire_close(&w);
}

static void pipelined_behind_a_held_request(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    host_await(&host.held_one);
    wire_send(&w, "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(host.requests, 1);
    host_run(host_reply_held);
    wire_expect(&w, "GET", 200, "at last");
    wire_expect(&w, "GET", 200, "GET /1 ");
    wire_expect(&w, "GET", 200, "GET /2 ");
    wire_close(&w);
}

static void long_bodies(void **state)
{
    (void)state;
    enum { LONG = 5 * 1024 * 1024 };
    struct wire w = wire_open(host.port);
    char *body = xmalloc(LONG);
    memset(body, 7, LONG);
    char head[128];
    for (int i = 0; i < 2; i++) {
        snprintf(head, sizeof head, "POST /length HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
                 LONG);
        wire_send(&w, head);
        wire_send_bytes(&w, str_n(body, LONG));
        wire_expect(&w, "POST", 200, "5242880 7");
    }
    snprintf(head, sizeof head,
             "POST /length HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%x\r\n", LONG);
    wire_send(&w, head);
    wire_send_bytes(&w, str_n(body, LONG));
    wire_send(&w, "\r\n0\r\n\r\n");
    wire_expect(&w, "POST", 200, "5242880 7");
    free(body);
    wire_close(&w);
}

/* "POST /TARGET …" with `len` times `letter`, sent at once with `more` behind it. */
static void send_whole(struct wire *w, const char *target, char letter, size_t len, const char *more)
{
    struct buf all = BUF(1 << 20);
    buf_printf(&all, "POST /%s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", target, len);
    memset(buf_room(&all, len), letter, len);
    buf_grow(&all, len);
    buf_puts(&all, more);
    wire_send_bytes(w, buf_str(&all));
    buf_clear(&all);
}

static void expect_length(struct wire *w, size_t len, char letter)
{
    char words[64];
    snprintf(words, sizeof words, "%zu %d", len, letter);
    wire_expect(w, "POST", 200, words);
}

/* Bodies that may stay where they were read: each its own, beside a request that is held, with and without another behind them. */
static void large_bodies_at_once(void **state)
{
    (void)state;
    struct wire held = wire_open(host.port), w = wire_open(host.port);
    send_whole(&held, "hold", 'h', 40000, "");
    host_await(&host.held_one);
    for (char letter = 'a'; letter < 'z'; letter++) {
        size_t len = 30000 + (size_t)letter * 50;
        send_whole(&w, "length", letter, len, "");
        expect_length(&w, len, letter);
    }
    send_whole(&w, "length", '1', 40000, "GET /2 HTTP/1.1\r\n" HOST "\r\n");
    expect_length(&w, 40000, '1');
    wire_expect(&w, "GET", 200, "GET /2 ");
    host_run(host_reply_held);
    wire_expect(&held, "POST", 200, "at last");
    wire_close(&held);
    wire_close(&w);
}

/* Small, as large as stays where it was read, and in pieces: what others send afterwards lies elsewhere. */
static void taken_bodies_stay(void **state)
{
    static const size_t LENGTHS[] = {100, 40000, 100000};
    (void)state;
    struct wire w = wire_open(host.port);
    for (int i = 0; i < 3; i++) {
        size_t len = LENGTHS[i], same = 0;
        send_whole(&w, "take", 't', len, "");
        wire_expect(&w, "POST", 200, "taken");
        for (int other = 0; other < 3; other++) {
            send_whole(&w, "length", 'o', len, "");
            expect_length(&w, len, 'o');
        }
        assert_int_equal(host.taken_body.len, len);
        while (same < len && host.taken_body.p[same] == 't')
            same++;
        assert_int_equal(same, len);
        exchange_memory_clear(&host.taken);
    }
    wire_close(&w);
}

static void head_requests_and_old_clients(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    wire_send(&w, "HEAD /a HTTP/1.1\r\n" HOST "\r\n");
    struct wire_reply r = wire_reply(&w, "HEAD");
    assert_true(wire_has(&r, "Content-Length: 8"));
    wire_reply_clear(&r);
    wire_send(&w, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    r = wire_reply(&w, "GET");
    assert_true(wire_has(&r, "Connection: keep-alive"));
    wire_reply_clear(&r);
    wire_send(&w, "GET /stream HTTP/1.0\r\n\r\n");
    r = wire_reply(&w, "GET");
    assert_true(wire_has(&r, "Connection: close"));
    assert_null(strstr(r.head.p, "chunked"));
    assert_string_equal(r.body.p, "one two");
    wire_reply_clear(&r);
    wire_close(&w);
    w = wire_open(host.port);
    wire_send(&w, "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    wire_expect(&w, "GET", 200, "GET /a ");
    wire_expect_end(&w);
    wire_close(&w);
}

static void expect_continue(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    wire_send(&w, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    struct wire_reply r = wire_reply(&w, "POST");
    assert_int_equal(r.status, 100);
    wire_reply_clear(&r);
    wire_send(&w, "ok");
    wire_expect(&w, "POST", 200, "POST /a ok");
    wire_send(&w, "POST /forbidden HTTP/1.1\r\n" HOST
                  "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    wire_expect(&w, "POST", 403, "no"); /* and no 100 before it */
    wire_expect_end(&w);
    wire_close(&w);
    assert_int_equal(host.requests, 1);
}

static void peers_have_names(void **state)
{
    (void)state;
    struct wire_reply r = wire_ask(host.port, "GET", "/peer", "");
    assert_true(str_starts(buf_str(&r.body), "127.0.0.1:"));
    wire_reply_clear(&r);
}

/* ---- refusals ---- */

static void too_large(void **state)
{
    (void)state;
    struct server_limits limits = SERVER_LIMITS;
    limits.body = 1000;
    host_restart(limits);
    struct wire w = wire_open(host.port);
    wire_send(&w, "POST /a HTTP/1.1\r\n" HOST
                  "Content-Length: 1001\r\n\r\n"); /* no body byte is needed */
    expect_refusal(&w, 413);
    wire_close(&w);
    w = wire_open(host.port);
    wire_send(&w, "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    char chunk[512];
    snprintf(chunk, sizeof chunk, "190\r\n%0400d\r\n", 0);
    for (int i = 0; i < 3; i++)
        wire_send(&w, chunk);
    expect_refusal(&w, 413);
    wire_close(&w);
    assert_int_equal(host.requests, 0);
}

static void the_refusal_arrives_though_the_client_goes_on_sending(void **state)
{
    (void)state;
    struct wire w = wire_open(host.port);
    char junk[100 * 1024];
    memset(junk, 'j', sizeof junk);
    wire_send(&w, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n");
    wire_send_bytes(&w, str_n(junk, sizeof junk));
    expect_refusal(&w, 413);
    wire_close(&w);
}

static void slow_heads_and_bodies(void **state)
{
    (void)state;
    struct server_limits limits = SERVER_LIMITS;
    limits.header_ms = 50;
    limits.body_idle_ms = 60;
    limits.idle_ms = 80;
    host_restart(limits);
    struct wire w = wire_open(host.port);
    wire_send(&w, "GET / HTTP/1.1\r\nHost:");
    expect_refusal(&w, 408);
    wire_close(&w);
    w = wire_open(host.port);
    wire_send(&w, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabc");
    expect_refusal(&w, 408);
    wire_close(&w);
    w = wire_open(host.port); /* says nothing: no reply to an idle connection, just the end */
    wire_expect_end(&w);
    wire_close(&w);
}

static char *vector_member(char *line, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\": ", name);
    char *p = strstr(line, key);
    assert_non_null(p);
    return p + strlen(key);
}

static struct buf vector_bytes(char *line)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf out = BUF(1024 * 1024);
    unsigned bits = 0;
    int count = 0;
    for (char *p = vector_member(line, "raw_b64") + 1; *p != '"' && *p != '='; p++) {
        bits = bits << 6 | (unsigned)(strchr(digits, *p) - digits);
        count += 6;
        if (count >= 8)
            buf_putc(&out, (char)(bits >> (count -= 8)));
    }
    return out;
}

/* The status of the last reply among these bytes; 0: none came. */
static int last_status(const char *text)
{
    int status = 0;
    for (const char *p = text; p && (p = strstr(p, "HTTP/1.1 ")); p += 9)
        status = atoi(p + 9);
    return status;
}

static void check_vector(char *line)
{
    struct buf raw = vector_bytes(line);
    struct wire w = wire_open(host.port);
    int before = host.requests;
    wire_send_bytes(&w, buf_str(&raw));
    shutdown(w.fd, SHUT_WR);
    struct buf got = wire_rest(&w);
    int status = last_status(got.p);
    bool accepts = strncmp(vector_member(line, "expect"), "\"accept", 7) == 0;
    bool is_free = strncmp(vector_member(line, "config_dependent"), "true", 4) == 0 ||
                   strncmp(vector_member(line, "expect"), "\"either", 7) == 0;
    bool is_served = status == 200 && host.requests > before;
    bool is_refused = status == 0 || status >= 400;
    if (!is_free && !(accepts ? is_served : is_refused))
        fail_msg("%.40s: %d", line, status);
    buf_clear(&got);
    buf_clear(&raw);
    wire_close(&w);
}

static void vectors(void **state)
{
    (void)state;
    if (!shared_has("http"))
        skip();
    static const char *const names[] = {"http/gunicorn-invalid.jsonl", "http/gunicorn-valid.jsonl"};
    int count = 0;
    for (int i = 0; i < 2; i++) {
        struct buf file = shared_read(shared_path(names[i]));
        for (char *line = strtok(file.p, "\n"); line; line = strtok(NULL, "\n"), count++)
            check_vector(line);
        buf_clear(&file);
    }
    assert_true(count > 100);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
    const struct CMUnitTest tests[] = {
        TEST(keep_alive_and_fields),
        TEST(pipelined_in_one_segment),
        TEST(byte_by_byte),
        TEST(pipelined_behind_a_held_request),
        TEST(long_bodies),
        TEST(large_bodies_at_once),
        TEST(taken_bodies_stay),
        TEST(head_requests_and_old_clients),
        TEST(expect_continue),
        TEST(peers_have_names),
        TEST(too_large),
        TEST(the_refusal_arrives_though_the_client_goes_on_sending),
        TEST(slow_heads_and_bodies),
        TEST(vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
