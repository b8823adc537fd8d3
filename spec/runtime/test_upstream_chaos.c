/* Thousands of calls against a peer that does anything, owners that cancel, pause and start from inside callbacks: each ends once. */
#include "acme.h"

#include <stdlib.h>
#include <sys/socket.h>

enum { CALLS = 1000, AT_ONCE = 24, LINES = 800 };

static const struct peer_line MENU[] = {
    {.say = OK_HI},
    {.say = OK_HI},
    {.say = OK_HI},
    {.say = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
    {.say = "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n", .flood = 70000},
    {.say = "HTTP/1.1 200 OK\r\n\r\n", .flood = 200000, .closes = true},
    {.say = "HTTP/1.1 100 Continue\r\n\r\n" OK_HI},
    {.say = "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", .is_early = true, .closes = true},
    {.say = OK_HI OK_HI},
    {.say = OK_HI, .closes = true},
    {.closes = true},
    {.resets = true},
    {.say = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", .resets = true},
    {.say = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", .closes = true},
    {.say = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"},
    {.say = "nonsense\r\n\r\n"},
    {.say = NULL},
};

struct owner {
    struct call *call;
    bool is_live;
};

static struct owner owners[AT_ONCE];
static int started, finished;
static char bulk[300000];

static void begin(struct owner *o);

static void finish(struct owner *o)
{
    assert_true(o->is_live);
    o->is_live = false;
    o->call = NULL;
    finished++;
    if (started < CALLS)
        begin(o);
    if (finished == CALLS)
        loop_stop(stage.loop);
}

/* At any event: cancel this call, pause and resume it, or cancel another one. Returns true when this one is gone. */
static bool act(struct owner *o)
{
    struct transport *t = upstream_transport(up);
    struct owner *other = &owners[rand() % AT_ONCE];
    switch (rand() % 16) {
    case 0:
        t->cancel(o->call);
        finish(o);
        return true;
    case 1:
        t->pause(o->call);
        t->resume(o->call);
        return false;
    case 2:
        if (other == o || !other->is_live)
            return false;
        t->cancel(other->call);
        finish(other);
        return false;
    default:
        return false;
    }
}

static void on_head(void *ctx, const struct http_head *head)
{
    assert_true(head->status >= 200);
    act(ctx);
}

static void on_body(void *ctx, struct str bytes)
{
    assert_true(bytes.len > 0 && bytes.p[0] != '\0');
    act(ctx);
}

static void on_end(void *ctx)
{
    finish(ctx);
}

static void on_failed(void *ctx, const struct err *err)
{
    assert_true(err->kind == ERR_CONNECT || err->kind == ERR_CUT || err->kind == ERR_MALFORMED ||
                err->kind == ERR_TIMEOUT);
    finish(ctx);
}

static void begin(struct owner *o)
{
    static const struct call_events events = {on_head, on_body, on_end, on_failed};
    static struct iovec body;
    body = (struct iovec){bulk, sizeof bulk};
    struct call_request r = {.method = "POST",
                             .path = str_of("/x"),
                             .body = &body,
                             .body_count = rand() % 8 == 0,
                             .deadlines = {.connect = 2000, .head = 120, .idle = 120, .total = 2000}};
    o->is_live = true;
    started++;
    o->call = upstream_transport(up)->start(upstream_transport(up), &to, &r, &events, o);
}

static bool are_finished(void *arg)
{
    (void)arg;
    return finished == CALLS;
}

static void expect_all_to_finish(unsigned most)
{
    struct peer_line *script = calloc(LINES, sizeof *script);
    for (int i = 0; i < LINES; i++)
        script[i] = MENU[rand() % (int)(sizeof MENU / sizeof *MENU)];
    peer_open(&peer, stage.loop, 0, script, LINES);
    acme_aim();
    to.max_connections = most;
    started = finished = 0;
    for (int i = 0; i < AT_ONCE; i++)
        if (started < CALLS)
            begin(&owners[i]);
    assert_true(stage_await(are_finished, NULL));
    assert_int_equal(started, CALLS);
    struct upstream_counts counts = upstream_counts(up);
    assert_int_equal(counts.queued, 0);
    assert_int_equal(counts.open, counts.idle);
    assert_true(counts.reused > 0);
    free(script);
}

static void test_chaos(void **state)
{
    (void)state;
    expect_all_to_finish(0);
}

static void test_chaos_under_a_cap(void **state)
{
    (void)state;
    expect_all_to_finish(7);
}

int main(void)
{
    memset(bulk, 'b', sizeof bulk);
    srand(7);
    const struct CMUnitTest tests[] = {TEST(test_chaos), TEST(test_chaos_under_a_cap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
