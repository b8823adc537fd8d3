#include "net/upstream.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "net/call.h"

static void on_refused(void *arg)
{
    struct call *c = arg;
    struct err err;
    if (c->pool->bad.kind != ERR_NONE)
        err_set(&err, c->pool->bad.kind, "%s: %s", c->to->name, c->pool->bad.message);
    else
        err_set(&err, ERR_SYSTEM,
                "%s: a request needs a path without blanks and fields under 64 KiB", c->to->name);
    call_fail(c, &err);
}

static struct call *start(struct transport *t, struct endpoint *to,
                          const struct call_request *request, const struct call_events *events,
                          void *ctx)
{
    struct upstream *up = (struct upstream *)t;
    struct call *c = call_new(up);
    c->pool = pool_of(up, to);
    c->to = to;
    c->events = events;
    c->ctx = ctx;
    c->deadlines = request->deadlines;
    c->started = c->sought = loop_now(up->loop);
    c->phase = CALL_OPENING;
    if (c->pool->bad.kind == ERR_NONE && call_prepare(c, request) == 0)
        pool_admit(c->pool, c);
    else
        loop_post(up->loop, &c->post, on_refused, c);
    return c;
}

static void pause_call(struct call *c)
{
    c->is_paused = true;
    if (c->phase == CALL_BODY)
        call_arm(c);
}

static void resume(struct call *c)
{
    if (!c->is_paused)
        return;
    c->is_paused = false;
    if (c->phase != CALL_HEAD && c->phase != CALL_BODY)
        return;
    call_arm(c);
    call_watch(c);
    if (connect_is_tls(&c->conn->io) || c->is_broken)
        pool_read_again(c->conn);
}

static void on_sweep(void *arg)
{
    struct upstream *up = arg;
    upstream_sweep(up);
    if (up->counts.idle > 0)
        timer_set(&up->sweep, POOL_SWEEP_MS);
}

struct upstream *upstream_new(struct loop *loop)
{
    struct upstream *up = xcalloc(1, sizeof *up);
    up->transport = (struct transport){start, pause_call, resume, call_drop};
    up->loop = loop;
    list_init(&up->spare);
    timer_init(&up->sweep, loop, on_sweep, up);
    return up;
}

void upstream_free(struct upstream *up)
{
    if (up == NULL)
        return;
    for (int i = 0; i < POOL_TABLE; i++)
        while (up->pools[i])
            pool_free(up->pools[i]);
    LIST_EACH(it, &up->spare)
    call_destroy(LIST_ENTRY(it, struct call, link));
    timer_clear(&up->sweep);
    free(up);
}

struct transport *upstream_transport(struct upstream *up)
{
    return &up->transport;
}

struct upstream_counts upstream_counts(const struct upstream *up)
{
    struct upstream_counts counts = up->counts;
    for (int i = 0; i < POOL_TABLE; i++)
        for (const struct pool *p = up->pools[i]; p; p = p->next)
            counts.refused_address += p->connector ? connector_refused(p->connector) : 0;
    return counts;
}

void upstream_sweep(struct upstream *up)
{
    for (int i = 0; i < POOL_TABLE; i++)
        for (struct pool *p = up->pools[i], *next; p; p = next) {
            next = p->next;
            pool_sweep(p);
        }
}
