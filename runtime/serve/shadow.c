#include "serve/shadow.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hex.h"
#include "bind/req.h"
#include "bind/shadow.h"
#include "serve/answered.h"
#include "serve/capture.h"
#include "serve/outbound.h"
#include "serve/router_state.h"

enum { BURST_US = 5000, SHARE = 10 };

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
    s->of = all;
    return s;
}

/* It lies in what it clears. */
static void release_memory(struct shadow_memory *m)
{
    struct exchange_memory taken = m->taken;
    if (--m->holders == 0)
        exchange_memory_clear(&taken);
}

static void give(struct shadow *s)
{
    *(s->is_answering ? &s->of->answer_count : &s->of->count) -= 1;
    shadow_forget(s->generation->vm, s->rule);
    generation_release(s->generation);
    if (s->memory)
        release_memory(s->memory);
    list_push(&s->of->free, &s->link);
}

static void drop_all(struct list *shadows)
{
    LIST_EACH(it, shadows) {
        struct shadow *s = LIST_ENTRY(it, struct shadow, link);
        list_remove(&s->link);
        give(s);
    }
}

/* ---- while the route runs ---- */

bool shadow_takes(struct scope *scope, double rate)
{
    struct request *rq = (struct request *)scope;
    struct router *r = rq->router;
    if ((double)router_random(r) >= rate * 0x1p64 || r->shadows.is_stopped)
        return false;
    bool has_room = r->shadows.count < SHADOW_WAITING && scope->view.body.len + scope->view.arena->used <= SHADOW_MEMORY;
    if (!has_room)
        stats_add(r->stats, STAT_SHADOWS_DROPPED, 1);
    return has_room;
}

void shadow_note(struct scope *scope, int rule, const struct shadow_call *call)
{
    struct request *rq = (struct request *)scope;
    struct shadow *s = take(&rq->router->shadows);
    s->generation = generation_hold(rq->generation);
    s->rule = rule;
    s->where = arena_str(scope->view.arena, call->where);
    if (call->answers)
        answered_note(s, rq, call->usd);
    *(s->is_answering ? &s->of->answer_count : &s->of->count) += 1;
    list_push(&rq->shadows, &s->link);
}

/* ---- when it ends ---- */

static struct str to_chat(struct view *v, struct err *err)
{
    struct shadow *s = (struct shadow *)LIST_ENTRY(v, struct scope, view);
    struct translator *host = router_translator(s->of->router, err);
    return host ? outbound_chat_by(host, v, err) : str_n(NULL, 0);
}

static void take_request(struct shadow *s, const struct request *rq, struct shadow_memory *m)
{
    struct view *v = &s->scope.view;
    m->holders++;
    s->memory = m;
    s->number = rq->number;
    memcpy(s->id, rq->id, sizeof s->id);
    s->route = rq->route;
    *v = rq->scope.view;
    v->arena = &m->taken.arena;
    v->id = s->id;
    v->to_chat = v->to_chat ? to_chat : NULL;
    s->decided = rq->decision;
    s->failed = rq->script_error;
    s->has_decided = rq->cause != NULL;
    s->key = toll_name(rq) ? arena_strdup(v->arena, toll_name(rq)) : NULL;
}

void shadow_wait(struct shadow *s)
{
    list_push(&s->of->waiting, &s->link);
    timer_set(&s->of->next, 1); /* the loop writes the answer first */
}

void shadow_release(struct request *rq)
{
    if (rq->router->shadows.is_stopped || rq->scope.view.arena->used > SHADOW_MEMORY) {
        stats_add(rq->router->stats, STAT_SHADOWS_DROPPED, 1);
        drop_all(&rq->shadows);
        return;
    }
    struct shadow_memory *m = arena_need(rq->scope.view.arena, sizeof *m);
    *m = (struct shadow_memory){.holders = 0};
    exchange_take(rq->x, &m->taken);
    rq->scope.view.arena = &m->taken.arena;
    LIST_EACH(it, &rq->shadows) {
        struct shadow *s = LIST_ENTRY(it, struct shadow, link);
        list_remove(&s->link);
        take_request(s, rq, m);
        if (s->answers == NULL || !answered_queue(s, rq))
            shadow_wait(s);
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
    *reply = (struct reply){.model = model, .attempt = ++s->verdict.asks};
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

static struct table *kv(struct scope *scope)
{
    return ((struct shadow *)scope)->of->router->options.region->kv;
}

static const char *key(struct scope *scope)
{
    return ((struct shadow *)scope)->key;
}

static const struct host SHADOW_HOST = {.ask = ask, .sleep = rest, .note = ignore_note, .kv = kv, .kv_is_fixed = true, .key = key};

/* Nothing that it waits for ever comes. */
static void post(void *arg, struct task *task)
{
    (void)arg;
    (void)task;
}

static const struct task_host TASK_HOST = {.post = post, .unpost = post};

static int push_req(lua_State *L, void *arg)
{
    struct shadow *s = arg;
    s->source = shadow_source(L, s->rule);
    req_push(L, &s->scope);
    return 1;
}

static struct str in_words(const struct decision *d, const struct err *failed, struct arena *arena)
{
    static struct buf words = BUF(SHADOW_TEXT); /* kept */
    buf_reset(&words);
    capture_decision(&words, d, failed);
    return arena_str(arena, buf_str(&words));
}

static void on_done(void *ctx, struct task_result *result)
{
    struct shadow *s = ctx;
    struct verdict *v = &s->verdict;
    struct decision d = {.reason = str_of("")};
    struct arena *arena = s->scope.view.arena;
    struct err err = result->err;
    v->is_over = true;
    v->script_us = result->script_us;
    v->place = str_of(request_place(s->generation, result->place, arena));
    v->has_failed = result->outcome != TASK_RETURNED || decision_read(result->L, result->count, arena, &d, &err) < 0;
    v->words = in_words(&d, v->has_failed ? &err : NULL, arena);
    v->reason = d.reason;
    v->error = v->has_failed ? arena_strdup(arena, err.message) : NULL;
    if (result->outcome == TASK_OVER_MEMORY)
        router_refresh_vm(s->of->router, s->generation);
}

/* Clients wait while it runs: a rule that loops may hold them up less than its route might. */
static void start(struct shadow *s)
{
    struct vm *vm = s->generation->vm;
    unsigned whole = vm->limits.script_ms;
    vm->limits.script_ms = whole < SHADOW_MS ? whole : SHADOW_MS;
    task_start(&s->task, vm, &TASK_HOST, s->rule, push_req, s, on_done, s);
    vm->limits.script_ms = whole;
}

static void play(struct shadow *s)
{
    struct stats_slot *stats = s->of->router->stats;
    s->scope.host = &SHADOW_HOST;
    s->scope.seed = s->number; /* so that a rule beside itself draws the same numbers */
    s->task = (struct task){.owner = s};
    atomic_store_explicit(&stats->script_generation, s->generation->id, memory_order_relaxed);
    start(s);
    if (!s->verdict.is_over) {
        s->verdict.script_us = s->task.used_us;
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

static void write_event(const struct shadow *s, bool is_compared, bool differs)
{
    const struct verdict *v = &s->verdict;
    struct event *e = event_open(s->of->router->options.trace, EVENT_SHADOW, s->number);
    char rule[16];
    hex_put(s->source, rule);
    put(e, F_SHADOW_LINE, s->where);
    event_str(e, F_RULE, str_n(rule, sizeof rule));
    put(e, F_WOULD, v->words);
    if (is_compared)
        event_int(e, F_DIFFERS, differs);
    if (differs)
        event_str(e, F_PRIMARY, s->primary);
    put(e, F_REASON, v->reason);
    put(e, F_LINE, v->place);
    if (v->asks > 0)
        event_int(e, F_ASKS, v->asks);
    if (v->error)
        event_z(e, F_ERROR, v->error);
    event_int(e, F_SCRIPT_US, (int64_t)v->script_us);
    if (s->answers)
        answered_write(s, e);
    event_close(e);
}

void shadow_finish(struct shadow *s)
{
    struct stats_slot *stats = s->of->router->stats;
    const struct verdict *v = &s->verdict;
    struct err failed;
    if (s->failed)
        err_set(&failed, ERR_SCRIPT, "%s", s->failed);
    if (s->has_decided)
        s->primary = in_words(&s->decided, s->failed ? &failed : NULL, s->scope.view.arena);
    bool is_compared = v->is_over && s->primary.len > 0, differs = is_compared && !str_same(v->words, s->primary);
    if (s->of->router->options.trace)
        write_event(s, is_compared, differs);
    stats_add(stats, STAT_SHADOWS, 1);
    if (!v->is_over)
        stats_add(stats, STAT_SHADOWS_ASKING, 1);
    else if (v->has_failed)
        stats_add(stats, STAT_SHADOWS_FAILED, 1);
    else if (differs)
        stats_add(stats, STAT_SHADOWS_DIFFERING, 1);
    s->of->spent_us += v->script_us + 1;
    give(s);
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
    answered_turn(all);
    while (all->spent_us < BURST_US && !list_is_empty(&all->waiting)) {
        struct shadow *s = LIST_ENTRY(list_first(&all->waiting), struct shadow, link);
        list_remove(&s->link);
        play(s);
        shadow_finish(s);
    }
    if (!list_is_empty(&all->waiting))
        timer_set(&all->next, 1 + (all->spent_us - BURST_US) * SHARE / 1000);
}

void shadows_open(struct shadows *s, struct router *r)
{
    *s = (struct shadows){.router = r};
    list_init(&s->waiting);
    list_init(&s->free);
    list_init(&s->queued);
    list_init(&s->answering);
    timer_init(&s->next, r->options.loop, on_turn, s);
}

void shadows_stop(struct shadows *s)
{
    s->is_stopped = true;
    drop_all(&s->waiting);
    drop_all(&s->queued);
    answered_stop(s);
}

void shadows_close(struct shadows *s)
{
    shadows_stop(s);
    answered_close(s);
    LIST_EACH(it, &s->free)
        free(LIST_ENTRY(it, struct shadow, link));
    timer_clear(&s->next);
}
