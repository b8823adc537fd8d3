#include "serve/shadow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bind/req.h"
#include "bind/shadow.h"
#include "serve/capture.h"
#include "serve/outbound.h"
#include "serve/router_state.h"
#include "vm/lines.h"

enum { ARENA_MOST = 4 << 20, DECISION_TEXT = 8192, BURST_US = 5000, SHARE = 10 };

struct shadow {
    struct scope scope; /* first: bind/ hands it back */
    struct shadows *of;
    struct generation *generation;
    struct list link;
    struct task task;
    struct arena arena;
    struct http_head head;
    int rule;
    struct str where, primary, place;
    uint64_t number; /* of the request that it is the shadow of */
    char id[20];
    struct decision decision;
    int asks;
    bool is_over, has_failed;
    struct err err;
    uint64_t script_us;
};

/* Pooled like requests: a handle that a rule kept must find its scope. */
static struct shadow *take(struct shadows *all)
{
    struct shadow *s;
    if (list_is_empty(&all->free)) {
        s = xcalloc(1, sizeof *s);
    } else {
        s = LIST_ENTRY(list_first(&all->free), struct shadow, link);
        list_remove(&s->link);
        uint64_t serial = s->scope.serial;
        *s = (struct shadow){.scope.serial = serial};
    }
    list_init(&s->link);
    all->count++;
    s->of = all;
    s->arena = ARENA(ARENA_MOST);
    return s;
}

static void give(struct shadow *s)
{
    shadow_forget(s->generation->vm, s->rule);
    generation_release(s->generation);
    arena_clear(&s->arena);
    s->of->count--;
    list_push(&s->of->free, &s->link);
}

/* ---- while the route runs ---- */

bool shadow_takes(struct scope *scope, double rate)
{
    struct request *rq = (struct request *)scope;
    struct router *r = rq->router;
    if ((double)router_random(r) >= rate * 0x1p64)
        return false;
    bool has_room = r->shadows.count < SHADOW_WAITING && scope->view.body.len <= SHADOW_BODY;
    if (!has_room)
        stats_add(r->stats, STAT_SHADOWS_DROPPED, 1);
    return has_room;
}

void shadow_note(struct scope *scope, int rule, struct str where)
{
    struct request *rq = (struct request *)scope;
    struct shadow *s = take(&rq->router->shadows);
    s->generation = generation_hold(rq->generation);
    s->rule = rule;
    s->where = arena_str(&s->arena, where);
    list_push(&rq->shadows, &s->link);
}

/* ---- when it ends ---- */

static void copy_head(struct shadow *s, const struct http_head *head)
{
    s->head.method = arena_str(&s->arena, head->method);
    s->head.target = arena_str(&s->arena, head->target);
    s->head.minor = head->minor;
    s->head.count = head->count;
    for (int i = 0; i < head->count; i++)
        s->head.fields[i] = (struct http_field){arena_str(&s->arena, head->fields[i].name), arena_str(&s->arena, head->fields[i].value)};
}

static struct str to_chat(struct view *v, struct err *err)
{
    struct shadow *s = (struct shadow *)LIST_ENTRY(v, struct scope, view);
    struct translator *host = router_translator(s->of->router, err);
    return host ? outbound_chat_by(host, v, err) : str_n(NULL, 0);
}

/* False when the request is one that no shadow can read. */
static bool take_request(struct shadow *s, struct request *rq)
{
    const struct view *v = &rq->scope.view;
    const char *param;
    struct buf text = BUF(DECISION_TEXT);
    struct err failed;
    copy_head(s, v->head);
    s->number = rq->number;
    memcpy(s->id, rq->id, sizeof s->id);
    if (rq->script_error)
        err_set(&failed, ERR_SCRIPT, "%s", rq->script_error);
    if (rq->cause) /* else the client left before the route had decided */
        capture_decision(&text, &rq->decision, rq->script_error ? &failed : NULL);
    s->primary = arena_str(&s->arena, buf_str(&text));
    buf_clear(&text);
    struct str body = arena_str(&s->arena, v->body);
    bool is_good = body.p && view_init(&s->scope.view, v->protocol, s->id, &s->head, body, &s->arena, &param, &failed) == 0;
    s->scope.view.to_chat = v->protocol == PROTOCOL_EMBEDDINGS ? NULL : to_chat;
    return is_good;
}

void shadow_release(struct request *rq)
{
    struct shadows *all = &rq->router->shadows;
    LIST_EACH(it, &rq->shadows) {
        struct shadow *s = LIST_ENTRY(it, struct shadow, link);
        list_remove(&s->link);
        if (take_request(s, rq)) {
            list_push(&all->waiting, &s->link);
            timer_set(&all->next, 1); /* the loop writes the answer first */
        } else {
            give(s);
        }
    }
}

/* ---- the run ---- */

static void forget(struct op *op)
{
    (void)op;
}

static void ask(struct scope *scope, const struct model *model, const struct ask_options *options, struct reply *reply, struct op *op)
{
    struct shadow *s = (struct shadow *)scope;
    (void)options;
    op->cancel = forget;
    *reply = (struct reply){.model = model, .attempt = ++s->asks};
}

static void rest(struct scope *scope, unsigned ms, struct op *op)
{
    (void)scope;
    (void)ms;
    op->cancel = forget;
}

static void ignore_note(struct scope *scope, struct str text, struct str data, struct str where)
{
    (void)scope;
    (void)text;
    (void)data;
    (void)where;
}

static const struct host SHADOW_HOST = {.ask = ask, .sleep = rest, .note = ignore_note};

/* Nothing that it waits for ever comes. */
static void post(void *arg, struct task *task)
{
    (void)arg;
    (void)task;
}

static const struct task_host TASK_HOST = {.post = post, .unpost = post};

static int push_req(lua_State *L, void *arg)
{
    req_push(L, arg);
    return 1;
}

static void on_done(void *ctx, struct task_result *result)
{
    struct shadow *s = ctx;
    s->is_over = true;
    s->script_us = result->script_us;
    const struct manifest *files = s->generation->files;
    if (result->place)
        s->place = str_of(arena_printf(&s->arena, "%s/%s:%d", manifest_label(files), manifest_path(files, lines_file(result->place)), lines_line(result->place)));
    s->err = result->err;
    s->has_failed = result->outcome != TASK_RETURNED || decision_read(result->L, result->count, &s->arena, &s->decision, &s->err) < 0;
    if (result->outcome == TASK_OVER_MEMORY)
        router_refresh_vm(s->of->router, s->generation);
}

static void run(struct shadow *s)
{
    struct stats_slot *stats = s->of->router->stats;
    s->scope.host = &SHADOW_HOST;
    s->scope.seed = router_random(s->of->router);
    s->decision = (struct decision){.reason = str_of("")};
    s->task = (struct task){.owner = s};
    atomic_store_explicit(&stats->script_generation, s->generation->id, memory_order_relaxed);
    task_start(&s->task, s->generation->vm, &TASK_HOST, s->rule, push_req, &s->scope, on_done, s);
    if (!s->is_over) {
        s->script_us = s->task.used_us;
        task_cancel(&s->task);
    }
    atomic_store_explicit(&stats->script_generation, 0, memory_order_relaxed);
    scope_close(&s->scope);
}

/* ---- what the trace says of it: one event, that readers join to the request's decision ---- */

static void put(struct event *e, enum field f, struct str text)
{
    if (text.len > 0)
        event_str(e, f, text);
}

static void write_event(const struct shadow *s, struct str would, bool differs)
{
    struct event *e = event_open(s->of->router->options.trace, EVENT_SHADOW, s->number);
    bool is_compared = s->is_over && s->primary.len > 0;
    char rule[20];
    snprintf(rule, sizeof rule, "%016" PRIx64, shadow_source(s->generation->vm, s->rule));
    put(e, F_SHADOW_LINE, s->where);
    event_z(e, F_RULE, rule);
    put(e, F_WOULD, would);
    if (is_compared)
        event_int(e, F_DIFFERS, differs);
    if (differs)
        event_str(e, F_PRIMARY, s->primary);
    put(e, F_REASON, s->decision.reason);
    put(e, F_LINE, s->place);
    if (s->asks > 0)
        event_int(e, F_ASKS, s->asks);
    if (s->has_failed)
        event_z(e, F_ERROR, s->err.message);
    event_int(e, F_SCRIPT_US, (int64_t)s->script_us);
    event_close(e);
}

static bool record(struct shadow *s)
{
    struct buf text = BUF(DECISION_TEXT);
    if (s->is_over)
        capture_decision(&text, &s->decision, s->has_failed ? &s->err : NULL);
    struct str would = buf_str(&text);
    bool differs = s->is_over && s->primary.len > 0 && !str_same(would, s->primary);
    if (s->of->router->options.trace)
        write_event(s, would, differs);
    buf_clear(&text);
    return differs;
}

static void play(struct shadow *s)
{
    struct stats_slot *stats = s->of->router->stats;
    run(s);
    bool differs = record(s);
    stats_add(stats, STAT_SHADOWS, 1);
    if (!s->is_over)
        stats_add(stats, STAT_SHADOWS_ASKING, 1);
    else if (s->has_failed)
        stats_add(stats, STAT_SHADOWS_FAILED, 1);
    else if (differs)
        stats_add(stats, STAT_SHADOWS_DIFFERING, 1);
}

/* ---- the turn ---- */

static void decay(struct shadows *s)
{
    uint64_t now = clock_ns() / 1000, back = (now - s->spent_at_us) / SHARE;
    s->spent_us = s->spent_us > back ? s->spent_us - back : 0;
    s->spent_at_us = now;
}

static void on_turn(void *arg)
{
    struct shadows *all = arg;
    decay(all);
    while (all->spent_us < BURST_US && !list_is_empty(&all->waiting)) {
        struct shadow *s = LIST_ENTRY(list_first(&all->waiting), struct shadow, link);
        list_remove(&s->link);
        play(s);
        all->spent_us += s->script_us + 1;
        give(s);
    }
    if (!list_is_empty(&all->waiting))
        timer_set(&all->next, 1 + (all->spent_us - BURST_US) * SHARE / 1000);
}

void shadows_open(struct shadows *s, struct router *r)
{
    *s = (struct shadows){.router = r};
    list_init(&s->waiting);
    list_init(&s->free);
    timer_init(&s->next, r->options.loop, on_turn, s);
}

void shadows_close(struct shadows *s)
{
    LIST_EACH(it, &s->waiting) {
        struct shadow *one = LIST_ENTRY(it, struct shadow, link);
        list_remove(&one->link);
        give(one);
    }
    LIST_EACH(it, &s->free)
        free(LIST_ENTRY(it, struct shadow, link));
    timer_clear(&s->next);
}
