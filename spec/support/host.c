#include "host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct host host;

static void produce(struct exchange *x)
{
    static char block[16 * 1024];
    memset(block, 'x', sizeof block);
    while (host.produced < 8 * 1024 * 1024) {
        host.produced += sizeof block;
        if (!exchange_write(x, str_n(block, sizeof block))) {
            if (!host.is_stalled)
                sem_post(&host.was_stalled);
            host.is_stalled = true;
            return;
        }
    }
    exchange_end(x);
}

static bool on_head(void *ctx, struct exchange *x)
{
    (void)ctx;
    if (str_starts(exchange_head(x)->target, "/ticket"))
        exchange_set_ticket(x, 1);
    if (!str_eq(exchange_head(x)->target, "/forbidden"))
        return true;
    exchange_reply(x, 403, "text/plain", str_n("", 0), str_of("no"));
    return false;
}

static bool on_body(void *ctx, struct exchange *x, size_t size)
{
    (void)ctx;
    if (exchange_ticket(x) == 0)
        return true;
    exchange_set_ticket(x, size + 1);
    if (size <= HOST_BODY)
        return true;
    exchange_reply(x, 403, "text/plain", str_n("", 0), str_of("no more"));
    return false;
}

static void on_over(void *ctx, struct exchange *x)
{
    (void)ctx;
    host.ticket = exchange_ticket(x);
    host.overs++;
    sem_post(&host.was_over);
}

static void echo(struct exchange *x)
{
    const struct http_head *head = exchange_head(x);
    struct str body = exchange_body(x);
    char *text = arena_printf(exchange_arena(x), STR_FMT " " STR_FMT " " STR_FMT,
                              STR_ARG(head->method), STR_ARG(head->target), STR_ARG(body));
    exchange_reply(x, 200, "text/plain", str_of("x-test: yes\r\n"), str_of(text));
}

static void on_request(void *ctx, struct exchange *x)
{
    (void)ctx;
    host.requests++;
    struct str target = exchange_head(x)->target;
    if (str_eq(target, "/hold") || str_eq(target, "/ticket/hold")) {
        host.held = x;
        sem_post(&host.held_one);
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
        snprintf(length, sizeof length, "%zu %d", exchange_body(x).len,
                 (unsigned char)exchange_body(x).p[0]);
        exchange_reply(x, 200, "text/plain", str_n("", 0), str_of(length));
    } else if (str_eq(target, "/take")) {
        host.taken_body = exchange_body(x);
        exchange_take(x, &host.taken);
        exchange_reply(x, 200, "text/plain", str_n("", 0), str_of("taken"));
    } else {
        echo(x);
    }
}

static void on_gone(void *ctx, struct exchange *x)
{
    (void)ctx;
    if (x == host.held)
        host.held = NULL;
    host.gone++;
    sem_post(&host.was_gone);
}

static void on_drained(void *ctx, struct exchange *x)
{
    (void)ctx;
    host.drains++;
    produce(x);
}

/* ---- the thread: runs functions that the test sends it ---- */

static void on_command(void *arg, int events)
{
    (void)arg, (void)events;
    void (*run)(void);
    assert_int_equal(read(host.commands[0], &run, sizeof run), sizeof run);
    run();
    sem_post(&host.executed);
}

void host_run(void (*run)(void))
{
    assert_int_equal(write(host.commands[1], &run, sizeof run), sizeof run);
    sem_wait(&host.executed);
}

static void stop(void)
{
    loop_stop(host.loop);
}

static void *run_loop(void *arg)
{
    struct watch watch;
    watch_init(&watch, host.loop, host.commands[0], on_command, NULL);
    watch_set(&watch, WATCH_READ);
    loop_run(host.loop);
    watch_clear(&watch);
    return arg;
}

static void begin(struct server_limits limits)
{
    static const struct server_app app = {on_head, on_body, on_request, on_gone, on_drained, on_over, NULL};
    struct err err;
    char name[128];
    int fd = listen_open("127.0.0.1:0", false, &err);
    assert_true(fd >= 0);
    host.port = atoi(strrchr(listen_name(fd, name, sizeof name), ':') + 1);
    host.requests = host.gone = host.drains = host.done = host.overs = 0;
    host.produced = 0;
    host.is_stalled = false;
    host.held = NULL;
    sem_init(&host.held_one, 0, 0);
    sem_init(&host.was_gone, 0, 0);
    sem_init(&host.was_over, 0, 0);
    sem_init(&host.was_stalled, 0, 0);
    sem_init(&host.was_done, 0, 0);
    sem_init(&host.executed, 0, 0);
    assert_int_equal(pipe(host.commands), 0);
    host.loop = loop_new();
    host.server = server_new(host.loop, fd, &limits, &app, NULL);
    assert_int_equal(pthread_create(&host.thread, NULL, run_loop, NULL), 0);
}

int host_setup(void **state)
{
    (void)state;
    begin(SERVER_LIMITS);
    return 0;
}

int host_teardown(void **state)
{
    (void)state;
    host_run(stop);
    pthread_join(host.thread, NULL);
    server_free(host.server);
    loop_free(host.loop);
    close(host.commands[0]);
    close(host.commands[1]);
    return 0;
}

void host_restart(struct server_limits limits)
{
    host_teardown(NULL);
    begin(limits);
}

void host_await(sem_t *what)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 5;
    if (sem_timedwait(what, &end) < 0)
        fail_msg("what the test waits for did not happen");
}

void host_reply_held(void)
{
    struct exchange *x = host.held;
    host.held = NULL;
    exchange_reply(x, 200, "text/plain", str_n("", 0), str_of("at last"));
}
