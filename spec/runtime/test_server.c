/* A real server on loopback, in a thread of its own, driven by exact bytes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "net/server.h"
#include "shared.h"
#include "wire.h"

/* ---- the application under the server ---- */

static struct loop *loop;
static struct server *server;
static pthread_t thread;
static int port;
static int commands[2];
static atomic_int requests, gone, drains, done;
static atomic_size_t produced;
static atomic_bool is_stalled;
static struct exchange *held;
static sem_t held_one, was_gone, was_stalled, was_done;

static void produce(struct exchange *x)
{
    static char block[16 * 1024];
    memset(block, 'x', sizeof block);
    while (produced < 8 * 1024 * 1024) {
        produced += sizeof block;
        if (!exchange_write(x, str_n(block, sizeof block))) {
            if (!is_stalled)
                sem_post(&was_stalled);
            is_stalled = true;
            return;
        }
    }
    exchange_end(x);
}

static bool on_head(void *ctx, struct exchange *x)
{
    (void)ctx;
    if (!str_eq(exchange_head(x)->target, "/forbidden"))
        return true;
    exchange_reply(x, 403, "text/plain", str_n("", 0), str_of("no"));
    return false;
}

static void echo(struct exchange *x)
{
    const struct http_head *head = exchange_head(x);
    struct str body = exchange_body(x);
    char *text = arena_printf(exchange_arena(x), STR_FMT " " STR_FMT " " STR_FMT, STR_ARG(head->method),
                              STR_ARG(head->target), STR_ARG(body));
    exchange_reply(x, 200, "text/plain", str_of("x-test: yes\r\n"), str_of(text));
}

static void on_request(void *ctx, struct exchange *x)
{
    (void)ctx;
    requests++;
    struct str target = exchange_head(x)->target;
    if (str_eq(target, "/hold")) {
        held = x;
        sem_post(&held_one);
    } else if (str_eq(target, "/stream")) {
        exchange_begin(x, 200, "text/event-stream", str_n("", 0), -1);
        exchange_write(x, str_of("one "));
        exchange_write(x, str_of("two"));
        exchange_end(x);
    } else if (str_eq(target, "/big")) {
        exchange_begin(x, 200, "text/plain", str_n("", 0), -1);
        produce(x);
    } else if (str_eq(target, "/short")) {
        exchange_begin(x, 200, "text/plain", str_n("", 0), 10);
        exchange_write(x, str_of("four"));
        exchange_end(x);
    } else if (str_eq(target, "/peer")) {
        exchange_reply(x, 200, "text/plain", str_n("", 0), exchange_peer(x));
    } else if (str_eq(target, "/length")) {
        char length[32];
        snprintf(length, sizeof length, "%zu %d", exchange_body(x).len, (unsigned char)exchange_body(x).p[0]);
        exchange_reply(x, 200, "text/plain", str_n("", 0), str_of(length));
    } else {
        echo(x);
    }
}

static void on_gone(void *ctx, struct exchange *x)
{
    (void)ctx;
    if (x == held)
        held = NULL;
    gone++;
    sem_post(&was_gone);
}

static void on_drained(void *ctx, struct exchange *x)
{
    (void)ctx;
    drains++;
    produce(x);
}

/* ---- the thread: runs functions that the test sends it ---- */

static sem_t executed;

static void on_command(void *arg, int events)
{
    (void)arg, (void)events;
    void (*run)(void);
    assert_int_equal(read(commands[0], &run, sizeof run), sizeof run);
    run();
    sem_post(&executed);
}

static void in_loop(void (*run)(void))
{
    assert_int_equal(write(commands[1], &run, sizeof run), sizeof run);
    sem_wait(&executed);
}

static void stop(void)
{
    loop_stop(loop);
}

static void *run_loop(void *arg)
{
    struct watch watch;
    watch_init(&watch, loop, commands[0], on_command, NULL);
    watch_set(&watch, WATCH_READ);
    loop_run(loop);
    watch_clear(&watch);
    return arg;
}

static void begin(struct server_limits limits)
{
    static const struct server_app app = {on_head, on_request, on_gone, on_drained};
    struct err err;
    char name[128];
    int fd = listen_open("127.0.0.1:0", false, &err);
    assert_true(fd >= 0);
    port = atoi(strrchr(listen_name(fd, name, sizeof name), ':') + 1);
    requests = gone = drains = done = 0;
    produced = 0;
    is_stalled = false;
    held = NULL;
    sem_init(&held_one, 0, 0);
    sem_init(&was_gone, 0, 0);
    sem_init(&was_stalled, 0, 0);
    sem_init(&was_done, 0, 0);
    sem_init(&executed, 0, 0);
    assert_int_equal(pipe(commands), 0);
    loop = loop_new();
    server = server_new(loop, fd, &limits, &app, NULL);
    assert_int_equal(pthread_create(&thread, NULL, run_loop, NULL), 0);
}

static int setup(void **state)
{
    (void)state;
    begin(SERVER_LIMITS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    in_loop(stop);
    pthread_join(thread, NULL);
    server_free(server);
    loop_free(loop);
    close(commands[0]);
    close(commands[1]);
    return 0;
}

static void restart(struct server_limits limits)
{
    teardown(NULL);
    begin(limits);
}

static void wait_for(sem_t *what)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 5;
    if (sem_timedwait(what, &end) < 0)
        fail_msg("what the test waits for did not happen");
}

/* ---- replies ---- */

#define HOST "Host: x\r\n"

static void expect(struct wire *w, const char *method, int status, const char *body)
{
    struct wire_reply r = wire_reply(w, method);
    assert_int_equal(r.status, status);
    assert_true(r.is_whole);
    assert_string_equal(r.body.p ? r.body.p : "", body);
    wire_reply_clear(&r);
}

static void expect_end(struct wire *w)
{
    struct buf rest = wire_rest(w);
    assert_string_equal(rest.p ? rest.p : "", "");
    buf_clear(&rest);
}

/* An error of the server's own, after which it closes. */
static void expect_refusal(struct wire *w, int status)
{
    struct wire_reply r = wire_reply(w, "GET");
    assert_int_equal(r.status, status);
    assert_true(wire_has(&r, "Connection: close"));
    assert_non_null(strstr(r.body.p, "\"type\":\"invalid_request_error\""));
    wire_reply_clear(&r);
    expect_end(w);
}

static void keep_alive_and_fields(void **state)
{
    (void)state;
    struct wire w = wire_open(port);
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
    assert_int_equal(server_connections(server), 1);
    wire_close(&w);
}

static void pipelined_in_one_segment(void **state)
{
    (void)state;
    struct wire w = wire_open(port);
    wire_send(&w, "GET /1 HTTP/1.1\r\n" HOST "\r\n"
                  "POST /2 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                  "POST /3 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                  "GET /stream HTTP/1.1\r\n" HOST "\r\n"
                  "GET /4 HTTP/1.1\r\n" HOST "\r\n");
    expect(&w, "GET", 200, "GET /1 ");
    expect(&w, "POST", 200, "POST /2 abc");
    expect(&w, "POST", 200, "POST /3 def");
    expect(&w, "GET", 200, "one two");
    expect(&w, "GET", 200, "GET /4 ");
    wire_close(&w);
}

static void byte_by_byte(void **state)
{
    (void)state;
    static const char text[] = "POST /1 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                               "POST /2 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\ndef\r\n0\r\n\r\n";
    struct wire w = wire_open(port);
    for (const char *p = text; *p; p++)
        wire_send_bytes(&w, str_n(p, 1));
    expect(&w, "POST", 200, "POST /1 abc");
    expect(&w, "POST", 200, "POST /2 def");
    wire_close(&w);
}

static void reply_held(void)
{
    struct exchange *x = held;
    held = NULL;
    exchange_reply(x, 200, "text/plain", str_n("", 0), str_of("at last"));
}

static void pipelined_behind_a_held_request(void **state)
{
    (void)state;
    struct wire w = wire_open(port);
    wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&held_one);
    wire_send(&w, "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(requests, 1);
    in_loop(reply_held);
    expect(&w, "GET", 200, "at last");
    expect(&w, "GET", 200, "GET /1 ");
    expect(&w, "GET", 200, "GET /2 ");
    wire_close(&w);
}

static void long_bodies(void **state)
{
    (void)state;
    enum { LONG = 5 * 1024 * 1024 };
    struct wire w = wire_open(port);
    char *body = xmalloc(LONG);
    memset(body, 7, LONG);
    char head[128];
    for (int i = 0; i < 2; i++) {
        snprintf(head, sizeof head, "POST /length HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", LONG);
        wire_send(&w, head);
        wire_send_bytes(&w, str_n(body, LONG));
        expect(&w, "POST", 200, "5242880 7");
    }
    snprintf(head, sizeof head, "POST /length HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%x\r\n", LONG);
    wire_send(&w, head);
    wire_send_bytes(&w, str_n(body, LONG));
    wire_send(&w, "\r\n0\r\n\r\n");
    expect(&w, "POST", 200, "5242880 7");
    free(body);
    wire_close(&w);
}

static void head_requests_and_old_clients(void **state)
{
    (void)state;
    struct wire w = wire_open(port);
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
    w = wire_open(port);
    wire_send(&w, "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    expect(&w, "GET", 200, "GET /a ");
    expect_end(&w);
    wire_close(&w);
}

static void expect_continue(void **state)
{
    (void)state;
    struct wire w = wire_open(port);
    wire_send(&w, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    struct wire_reply r = wire_reply(&w, "POST");
    assert_int_equal(r.status, 100);
    wire_reply_clear(&r);
    wire_send(&w, "ok");
    expect(&w, "POST", 200, "POST /a ok");
    wire_send(&w, "POST /forbidden HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect(&w, "POST", 403, "no"); /* and no 100 before it */
    expect_end(&w);
    wire_close(&w);
    assert_int_equal(requests, 1);
}

static void peers_have_names(void **state)
{
    (void)state;
    struct wire_reply r = wire_ask(port, "GET", "/peer", "");
    assert_true(str_starts(buf_str(&r.body), "127.0.0.1:"));
    wire_reply_clear(&r);
}

/* ---- refusals ---- */

static void too_large(void **state)
{
    (void)state;
    struct server_limits limits = SERVER_LIMITS;
    limits.body = 1000;
    restart(limits);
    struct wire w = wire_open(port);
    wire_send(&w, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n"); /* no body byte is needed */
    expect_refusal(&w, 413);
    wire_close(&w);
    w = wire_open(port);
    wire_send(&w, "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    char chunk[512];
    snprintf(chunk, sizeof chunk, "190\r\n%0400d\r\n", 0);
    for (int i = 0; i < 3; i++)
        wire_send(&w, chunk);
    expect_refusal(&w, 413);
    wire_close(&w);
    assert_int_equal(requests, 0);
}

static void the_refusal_arrives_though_the_client_goes_on_sending(void **state)
{
    (void)state;
    struct wire w = wire_open(port);
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
    restart(limits);
    struct wire w = wire_open(port);
    wire_send(&w, "GET / HTTP/1.1\r\nHost:");
    expect_refusal(&w, 408);
    wire_close(&w);
    w = wire_open(port);
    wire_send(&w, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabc");
    expect_refusal(&w, 408);
    wire_close(&w);
    w = wire_open(port); /* says nothing: no reply to an idle connection, just the end */
    expect_end(&w);
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
    struct wire w = wire_open(port);
    int before = requests;
    wire_send_bytes(&w, buf_str(&raw));
    shutdown(w.fd, SHUT_WR);
    struct buf got = wire_rest(&w);
    int status = last_status(got.p);
    bool accepts = strncmp(vector_member(line, "expect"), "\"accept", 7) == 0;
    bool is_free = strncmp(vector_member(line, "config_dependent"), "true", 4) == 0 ||
                   strncmp(vector_member(line, "expect"), "\"either", 7) == 0;
    bool is_served = status == 200 && requests > before;
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

/* ---- clients that leave, stop reading, or are many ---- */

static void gone_while_held(void **state)
{
    (void)state;
    struct wire w = wire_open(port);
    wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&held_one);
    wire_close(&w);
    wait_for(&was_gone);
    w = wire_open(port);
    wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&held_one);
    wire_reset(&w);
    wait_for(&was_gone);
    assert_int_equal(gone, 2);
    assert_null(held);
}

static void gone_behind_unread_pipelined_bytes(void **state)
{
    (void)state;
    char junk[512 * 1024];
    memset(junk, 'j', sizeof junk);
    for (int i = 0; i < 2; i++) {
        struct wire w = wire_open(port);
        wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        wait_for(&held_one);
        fcntl(w.fd, F_SETFL, O_NONBLOCK);
        /* More than the server keeps. An end can only be seen when it fits the socket's buffer; a reset always. */
        wire_send_bytes(&w, str_n(junk, i == 0 ? 100 * 1024 : sizeof junk));
        if (i == 0)
            wire_close(&w);
        else
            wire_reset(&w);
        wait_for(&was_gone);
    }
}

static void abort_held(void)
{
    exchange_abort(held);
    held = NULL;
}

static void aborted_and_short_replies_are_visibly_broken(void **state)
{
    (void)state;
    struct wire w = wire_open(port);
    wire_send(&w, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&held_one);
    in_loop(abort_held);
    char byte;
    assert_int_equal(recv(w.fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    wire_close(&w);
    struct wire_reply r = wire_ask(port, "GET", "/short", "");
    assert_false(r.is_whole);
    wire_reply_clear(&r);
}

static void back_pressure(void **state)
{
    (void)state;
    struct wire w = wire_open(port);
    wire_send(&w, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&was_stalled);
    size_t stalled_at = produced;
    assert_true(stalled_at < 8 * 1024 * 1024);
    struct wire_reply r = wire_reply(&w, "GET");
    assert_true(r.is_whole);
    assert_int_equal(r.body.len, 8 * 1024 * 1024);
    assert_true(drains > 0);
    wire_reply_clear(&r);
    wire_send(&w, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    expect(&w, "GET", 200, "GET /a ");
    wire_close(&w);
}

static void a_reader_that_stops_is_dropped(void **state)
{
    (void)state;
    struct server_limits limits = SERVER_LIMITS;
    limits.write_stall_ms = 60;
    restart(limits);
    struct wire w = wire_open(port);
    wire_send(&w, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&was_gone);
    wire_close(&w);
}

static void the_longest_idle_makes_room(void **state)
{
    (void)state;
    struct server_limits limits = SERVER_LIMITS;
    limits.connections = 2;
    restart(limits);
    struct wire a = wire_open(port), b = wire_open(port);
    wire_send(&a, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&held_one);
    wire_send(&b, "GET /b HTTP/1.1\r\n" HOST "\r\n");
    expect(&b, "GET", 200, "GET /b ");
    struct wire_reply r = wire_ask(port, "GET", "/c", "");
    assert_string_equal(r.body.p, "GET /c ");
    wire_reply_clear(&r);
    expect_end(&b);
    in_loop(reply_held); /* the busy one was left alone */
    expect(&a, "GET", 200, "at last");
    wire_close(&a);
    wire_close(&b);
}

static void on_done(void *arg)
{
    (void)arg;
    done++;
    sem_post(&was_done);
}

static void drain(void)
{
    server_drain(server, on_done, NULL);
}

static void graceful_drain(void **state)
{
    (void)state;
    struct wire idle = wire_open(port), busy = wire_open(port);
    wire_send(&idle, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    expect(&idle, "GET", 200, "GET /a ");
    wire_send(&busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&held_one);
    in_loop(drain);
    expect_end(&idle);
    assert_int_equal(done, 0);
    in_loop(reply_held);
    struct wire_reply r = wire_reply(&busy, "GET");
    assert_true(wire_has(&r, "Connection: close"));
    assert_string_equal(r.body.p, "at last");
    wire_reply_clear(&r);
    expect_end(&busy);
    wait_for(&was_done);
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
    struct wire busy = wire_open(port);
    wire_send(&busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&held_one);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct wire late = {.fd = socket(AF_INET, SOCK_STREAM, 0), .in = BUF(1024 * 1024)};
    in_loop(no_descriptors_left);
    assert_int_equal(connect(late.fd, (struct sockaddr *)&to, sizeof to), 0);
    expect_end(&late); /* turned away rather than left waiting */
    in_loop(enough_descriptors);
    struct wire_reply r = wire_ask(port, "GET", "/a", "");
    assert_int_equal(r.status, 200);
    wire_reply_clear(&r);
    in_loop(reply_held);
    expect(&busy, "GET", 200, "at last");
    wire_close(&late);
    wire_close(&busy);
}

/* ---- listening ---- */

static void listening_says_what_is_wrong(void **state)
{
    (void)state;
    char address[64];
    struct err err;
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    assert_int_equal(listen_open(address, false, &err), -1);
    assert_non_null(strstr(err.message, "is in use"));
    assert_non_null(strstr(err.message, "--listen"));
    static const char *const bad[] = {"", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:8x", "::1:80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(listen_open(bad[i], false, &err), -1);
        assert_non_null(strstr(err.message, "HOST:PORT"));
    }
    assert_int_equal(listen_open("192.0.2.1:0", false, &err), -1);
    assert_non_null(strstr(err.message, "no address of this machine"));
}

static void unix_sockets_replace_only_the_dead(void **state)
{
    (void)state;
    char address[64], name[128];
    struct err err;
    snprintf(address, sizeof address, "unix:/tmp/wye-test-%d.sock", (int)getpid());
    int fd = listen_open(address, false, &err);
    assert_true(fd >= 0);
    assert_string_equal(listen_name(fd, name, sizeof name), address);
    assert_int_equal(listen_open(address, false, &err), -1);
    assert_non_null(strstr(err.message, "in use"));
    close(fd); /* the file stays */
    fd = listen_open(address, false, &err);
    assert_true(fd >= 0);
    close(fd);
    unlink(address + 5);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keep_alive_and_fields),
        TEST(pipelined_in_one_segment),
        TEST(byte_by_byte),
        TEST(pipelined_behind_a_held_request),
        TEST(long_bodies),
        TEST(head_requests_and_old_clients),
        TEST(expect_continue),
        TEST(peers_have_names),
        TEST(too_large),
        TEST(the_refusal_arrives_though_the_client_goes_on_sending),
        TEST(slow_heads_and_bodies),
        TEST(vectors),
        TEST(gone_while_held),
        TEST(gone_behind_unread_pipelined_bytes),
        TEST(aborted_and_short_replies_are_visibly_broken),
        TEST(back_pressure),
        TEST(a_reader_that_stops_is_dropped),
        TEST(the_longest_idle_makes_room),
        TEST(graceful_drain),
        TEST(out_of_descriptors),
        TEST(listening_says_what_is_wrong),
        TEST(unix_sockets_replace_only_the_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
