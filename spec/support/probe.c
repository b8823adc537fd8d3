#include "probe.h"

struct stage stage;

static void on_late(void *arg)
{
    (void)arg;
    stage.is_late = true;
    loop_stop(stage.loop);
}

static void on_pulse(void *arg)
{
    timer_set(&stage.pulse, 5);
    stage_look(arg);
}

void stage_open(void)
{
    stage.loop = loop_new();
    timer_init(&stage.watchdog, stage.loop, on_late, NULL);
    timer_init(&stage.pulse, stage.loop, on_pulse, NULL);
}

void stage_close(void)
{
    timer_clear(&stage.watchdog);
    timer_clear(&stage.pulse);
    loop_free(stage.loop);
}

void stage_look(void *unused)
{
    (void)unused;
    if (stage.is_done && stage.is_done(stage.arg))
        loop_stop(stage.loop);
}

bool stage_await(bool (*is_done)(void *arg), void *arg)
{
    stage.is_done = is_done;
    stage.arg = arg;
    stage.is_late = false;
    timer_set(&stage.watchdog, 60000);
    timer_set(&stage.pulse, 5);
    if (!is_done(arg))
        loop_run(stage.loop);
    timer_cancel(&stage.watchdog);
    timer_cancel(&stage.pulse);
    stage.is_done = NULL;
    return !stage.is_late;
}

static void go_on(struct probe *p)
{
    p->call = NULL;
    struct probe *next = p->then;
    if (next)
        probe_start(next, next->to ? next->to : p->to, next->to ? &next->request : &p->request);
    stage_look(NULL);
}

static void cancel(struct probe *p)
{
    p->transport->cancel(p->call);
    go_on(p);
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct probe *p = ctx;
    p->heads++;
    p->status = head->status;
    if (p->pauses_at_head)
        p->transport->pause(p->call);
    if (p->cancels_at_head)
        cancel(p);
    stage_look(NULL);
}

static void on_body(void *ctx, struct str bytes)
{
    struct probe *p = ctx;
    p->bytes += bytes.len;
    if (!p->is_forgetful)
        buf_append(&p->body, bytes.p, bytes.len);
    if (p->cancels_at_body)
        cancel(p);
    stage_look(NULL);
}

static void on_end(void *ctx)
{
    struct probe *p = ctx;
    p->ends++;
    go_on(p);
}

static void on_failed(void *ctx, const struct err *err)
{
    struct probe *p = ctx;
    p->failures++;
    p->err = *err;
    go_on(p);
}

void probe_open(struct probe *p, struct transport *t)
{
    *p = (struct probe){.transport = t, .body = BUF(64u << 20)};
}

void probe_start(struct probe *p, struct endpoint *to, const struct call_request *request)
{
    static const struct call_events events = {on_head, on_body, on_end, on_failed};
    p->heads = p->ends = p->failures = p->status = 0;
    p->bytes = 0;
    p->err = (struct err){0};
    buf_reset(&p->body);
    p->to = to;
    p->request = *request;
    p->call = p->transport->start(p->transport, to, request, &events, p);
}

void probe_close(struct probe *p)
{
    buf_clear(&p->body);
}

bool probe_is_done(void *probe)
{
    struct probe *p = probe;
    return p->ends + p->failures > 0;
}
