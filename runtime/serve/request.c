#include "serve/request.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "bind/after.h"
#include "bind/req.h"
#include "serve/admission.h"
#include "serve/answer.h"
#include "serve/answered.h"
#include "serve/feedback.h"
#include "serve/capture.h"
#include "serve/catalogue.h"
#include "serve/journal.h"
#include "serve/outbound.h"
#include "serve/refusal.h"
#include "serve/router_state.h"
#include "serve/serving.h"
#include "serve/traceparent.h"
#include "serve/units.h"
#include "vm/lines.h"

enum { DEFAULT_TOTAL_MS = 900 * 1000, CLIENT_GONE_STATUS = 499 };

/* A script that hangs the worker is found by this: the watchdog blames its generation. */
static void mark_script(struct router *r, unsigned generation)
{
    atomic_store_explicit(&r->stats->script_generation, generation, memory_order_relaxed);
}

/* ---- the one exit ---- */

static void add_metric(void *ctx, struct str name, double value)
{
    struct request *rq = ctx;
    feedback_metric(rq->router, rq->id, name, value);
}

static void run_after(struct request *rq)
{
    struct outcome outcome = {rq->id, rq->served ? rq->served->id : NULL, rq->cause, rq->status, rq->usd,
                              (double)(rq->ended_ns - rq->started_ns) / 1e6, add_metric, rq};
    struct err err;
    if (rq->route == NULL || rq->route->after_ref < 0)
        return;
    mark_script(rq->router, rq->generation->id);
    if (after_run(rq->generation->vm, rq->route->after_ref, &outcome, &err) < 0)
        log_warn("%s: after: %s", rq->route->path, err.message);
    mark_script(rq->router, 0);
}

static void count(struct request *rq)
{
    struct stats_slot *s = rq->router->stats;
    stats_add(s, STAT_REQUESTS, 1);
    stats_add(s, STAT_SCRIPT_US, (int64_t)rq->script_us);
    if (rq->scope.view.stream)
        stats_add(s, STAT_STREAMED, 1);
    if (rq->served && strcmp(rq->cause, "failover") == 0)
        stats_add(s, STAT_FAILOVERS, 1);
    stats_observe(s->duration, (rq->ended_ns - rq->started_ns) / 1000);
    if (rq->first_ns)
        stats_observe(s->first_token, (rq->first_ns - rq->started_ns) / 1000);
    stats_generation(s, rq->generation->id, rq->script_error != NULL);
    units_count(rq);
    admission_served(rq);
}

/* What is a client's: what it is billed, what is told of it, and those who look at its answer. */
static void publish(struct request *rq)
{
    toll_settle(rq);
    if (rq->capture)
        capture_end(rq);
    journal_decision(rq);
    if (!list_is_empty(&rq->shadows))
        shadow_release(rq);
    if (rq->kept)
        buf_clear(rq->kept);
    run_after(rq);
    count(rq);
    exchange_set_owner(rq->x, NULL);
}

/*
 * The only release: publishes the record, cancels what is left, lets everything go but the exchange, whose
 * arena still holds what the caller is about to write.
 */
static void request_finish(struct request *rq)
{
    struct router *r = rq->router;
    rq->ended_ns = clock_ns();
    if (rq->is_task_running)
        task_cancel(&rq->task);
    rq->is_task_running = false;
    post_cancel(&rq->post);
    request_cancel_asks(rq);
    serving_cancel(rq);
    timer_cancel(&rq->total);
    timer_cancel(&rq->content);
    scope_close(&rq->scope);
    if (rq->run == NULL)
        publish(rq);
    generation_release(rq->generation);
    router_give(r, rq);
}

void request_told(struct request *rq, struct str bytes)
{
    if (rq->capture)
        capture_reply(rq, bytes);
    if (rq->kept && buf_append(rq->kept, bytes.p, bytes.len) < 0) {
        buf_clear(rq->kept);
        *rq->kept = BUF(0); /* a part of it would be no answer */
    }
}

void request_reply(struct request *rq, int status, const char *content_type, const char *more, struct str body)
{
    struct exchange *x = rq->x;
    rq->status = status;
    if (rq->run) {
        answered_take(rq->run, status, body);
        request_finish(rq);
        return;
    }
    struct str fields = answer_fields(rq, more);
    request_told(rq, body);
    request_finish(rq);
    exchange_reply(x, status, content_type, fields, body);
}

void request_error_with(struct request *rq, int status, const char *code, const char *param, const char *more, const char *words)
{
    struct buf body = BUF(64 * 1024);
    struct refusal refusal = {status, code, param, rq->id, str_of(words)};
    rq->refused = words;
    refusal_write(&body, rq->scope.view.protocol, &refusal);
    request_reply(rq, status, "application/json", more, buf_str(&body));
    buf_clear(&body);
}

void request_error(struct request *rq, int status, const char *code, const char *param, const char *words)
{
    request_error_with(rq, status, code, param, "", words);
}

void request_end_stream(struct request *rq, struct str tail)
{
    struct exchange *x = rq->x;
    request_told(rq, tail);
    request_finish(rq);
    if (tail.len > 0)
        exchange_write(x, tail);
    exchange_end(x);
}

void request_gone(struct request *rq)
{
    stats_add(rq->router->stats, STAT_CLIENT_GONE, 1);
    rq->status = CLIENT_GONE_STATUS;
    request_finish(rq);
}

void request_abort(struct request *rq)
{
    if (!request_has_begun(rq)) {
        request_error(rq, 503, "shutting_down", NULL, "The server is stopping. Try again.");
        return;
    }
    struct exchange *x = rq->x;
    request_finish(rq);
    exchange_abort(x);
}

void request_drained(struct request *rq)
{
    if (rq->serving)
        attempt_resume(rq->serving);
}

/* ---- the route ---- */

static void post_task(void *arg, struct task *task);

static void unpost_task(void *arg, struct task *task)
{
    (void)arg;
    post_cancel(&((struct request *)task->owner)->post);
}

static const struct task_host TASK_HOST = {post_task, unpost_task, NULL};

static void run_task(void *arg)
{
    struct request *rq = arg;
    struct router *r = rq->router;
    mark_script(r, rq->generation->id);
    task_continue(&rq->task);
    mark_script(r, 0);
}

static void post_task(void *arg, struct task *task)
{
    (void)arg;
    struct request *rq = task->owner;
    loop_post(rq->router->options.loop, &rq->post, run_task, rq);
}

/* Script errors cost one request its route, never an answer: the default model serves. */
static void fall_back(struct request *rq, const struct err *why)
{
    const struct model *fallback = rq->generation->config->fallback;
    if (rq->run) {
        request_error(rq, 500, "script_error", NULL, why->message);
        return;
    }
    rq->cause = "script_error";
    rq->script_error = arena_strdup(rq->scope.view.arena, why->message);
    stats_add(rq->router->stats, STAT_SCRIPT_ERRORS, 1);
    log_warn("%s: %s", rq->id, why->message);
    if (fallback == NULL) {
        request_error(rq, 500, "script_error", NULL, "The route failed and wye.lua sets no default model.");
        return;
    }
    rq->decision = (struct decision){.kind = DECIDE_MODELS, .models = {fallback}, .count = 1,
                                     .next_on = NEXT_ON_DEFAULT, .reason = str_of("")};
    serving_begin(rq);
}

const char *request_place(const struct generation *g, int place, struct arena *arena)
{
    if (place == 0)
        return NULL;
    const struct manifest *files = g->files;
    char line[12];
    const struct str parts[] = {str_of(manifest_label(files)), STR("/"), str_of(manifest_path(files, lines_file(place))), STR(":"),
                                answer_digits((unsigned)lines_line(place), line + sizeof line)};
    return arena_concat(arena, parts, sizeof parts / sizeof *parts).p;
}

static void decided(struct request *rq, const struct err *failed)
{
    if (rq->capture)
        capture_decided(rq, failed);
    if (rq->run)
        answered_decided(rq, failed);
}

static void obey(struct request *rq)
{
    struct decision *d = &rq->decision;
    if (d->kind == DECIDE_REFUSAL) {
        request_error(rq, d->status, "refused", NULL, d->message.p);
        return;
    }
    serving_begin(rq);
}

static void on_route_done(void *ctx, struct task_result *result)
{
    struct request *rq = ctx;
    struct generation *g = rq->generation;
    struct err err;
    rq->is_task_running = false;
    rq->script_us = result->script_us;
    rq->place = request_place(rq->generation, result->place, rq->scope.view.arena);
    bool is_arms = rq->scope.arms_choice && result->count > 0 && lua_topointer(result->L, 1) == rq->scope.arms_choice;
    rq->cause = is_arms ? "experiment" : "script";
    if (is_arms && rq->scope.arms_place != result->place)
        rq->rule_place = request_place(rq->generation, rq->scope.arms_place, rq->scope.view.arena);
    if (result->outcome != TASK_RETURNED) {
        struct router *r = rq->router;
        bool is_over_memory = result->outcome == TASK_OVER_MEMORY;
        err = result->err;
        decided(rq, &err);
        generation_hold(g);
        fall_back(rq, &err);
        if (is_over_memory)
            router_refresh_vm(r, g);
        generation_release(g);
        return;
    }
    if (decision_read(result->L, result->count, rq->scope.view.arena, &rq->decision, &err) == 0) {
        decided(rq, NULL);
        obey(rq);
        return;
    }
    struct err placed;
    if (rq->place)
        err_set(&placed, ERR_SCRIPT, "%s: %s", rq->place, err.message);
    else
        err_set(&placed, ERR_SCRIPT, "%s/%s:1: %s", manifest_label(g->files), rq->route->path, err.message);
    decided(rq, &placed);
    fall_back(rq, &placed);
}

static int push_req(lua_State *L, void *arg)
{
    struct request *rq = arg;
    if (rq->run)
        answered_mark(rq->run, L);
    req_push(L, &rq->scope);
    return 1;
}

static void run_rule(struct request *rq, int ref)
{
    struct router *r = rq->router;
    rq->is_task_running = true;
    mark_script(r, rq->generation->id);
    task_start(&rq->task, rq->generation->vm, &TASK_HOST, ref, push_req, rq, on_route_done, rq);
    mark_script(r, 0);
}

/* ---- which route ---- */

static void serve_model(struct request *rq, const struct model *model, const char *cause)
{
    rq->cause = cause;
    rq->decision = (struct decision){.kind = DECIDE_MODELS, .models = {model}, .count = 1,
                                     .next_on = NEXT_ON_DEFAULT, .reason = str_of("")};
    journal_begin(rq);
    serving_begin(rq);
}

static void refuse_model(struct request *rq, struct str name)
{
    rq->cause = "pin";
    journal_begin(rq);
    request_error(rq, 404, "model_not_found", "model", catalogue_refusal(rq->generation, name, rq->scope.view.arena));
}

/* `name` is "auto", "wye/NAME", "provider/id" or, once, an alias of one of these. */
static void resolve(struct request *rq, struct str name, bool is_alias)
{
    const struct config *c = rq->generation->config;
    bool is_auto = str_eq(name, "auto");
    if (is_auto || str_starts(name, "wye/"))
        rq->route = generation_route(rq->generation, is_auto ? str_of("route") : str_n(name.p + 4, name.len - 4));
    if (rq->route) {
        journal_begin(rq);
        run_rule(rq, rq->route->ref);
        return;
    }
    if (is_auto && c->fallback) {
        serve_model(rq, c->fallback, "default");
        return;
    }
    const struct model *model = NULL;
    const char *id = arena_strndup(rq->scope.view.arena, name.p, name.len);
    if (c->direct || is_alias)
        model = config_model(c, id);
    if (model) {
        serve_model(rq, model, is_alias ? "alias" : "pin");
        return;
    }
    for (int i = 0; i < c->alias_count && !is_alias; i++) {
        if (!str_eq(name, c->aliases[i].name))
            continue;
        resolve(rq, str_of(c->aliases[i].target), true);
        return;
    }
    refuse_model(rq, rq->scope.view.model);
}

/* ---- start ---- */

static void on_total(void *arg)
{
    struct request *rq = arg;
    rq->limit_hit = "total";
    serving_timed_out(rq);
}

static void on_content(void *arg)
{
    struct request *rq = arg;
    if (rq->is_waiting)
        serving_again(rq);
    else if (rq->serving)
        attempt_timed_out(rq->serving);
}

static void open_request(struct request *rq, struct router *r, struct generation *g)
{
    if (rq->total.loop == NULL) {
        timer_init(&rq->total, r->options.loop, on_total, rq);
        timer_init(&rq->content, r->options.loop, on_content, rq);
    }
    rq->scope.host = &REQUEST_HOST;
    list_init(&rq->asks);
    list_init(&rq->shadows);
    rq->router = r;
    rq->x = NULL;
    rq->run = NULL;
    rq->generation = generation_hold(g);
    rq->route = NULL;
    rq->task = (struct task){.owner = rq};
    rq->is_task_running = rq->is_recorded = false;
    rq->serving = NULL;
    rq->at = rq->attempts = rq->status = rq->retries = 0;
    rq->plan = (struct plan){0};
    rq->is_waiting = rq->is_continued = rq->is_late = rq->broke_off = rq->scope.limit.is_set = rq->scope.is_exposed = false;
    rq->scope.arms_choice = NULL;
    rq->credential = NULL;
    rq->keys_tried = 0;
    rq->canary = 0;
    rq->transcript = NULL;
    rq->told = (struct usage){0};
    rq->served = NULL;
    rq->cause = rq->place = rq->rule_place = rq->script_error = rq->limit_hit = rq->refused = NULL;
    rq->first_ns = rq->script_us = 0;
    rq->usd = rq->reserved_usd = 0;
    rq->tokens = rq->reserved_tokens = 0;
    rq->toll = (struct toll){0};
    rq->recall = RECALL_UNASKED;
    rq->capture = NULL;
    rq->kept = NULL;
    rq->scope.tape = NULL;
    rq->scope.reads = 0;
    rq->decision = (struct decision){.reason = str_of("")};
}

void request_start(struct router *r, struct exchange *x, enum protocol protocol)
{
    struct request *rq = router_take(r);
    const char *param;
    struct err err;
    open_request(rq, r, r->live);
    rq->x = x;
    rq->number = rq->scope.seed = router_number(r);
    rq->started_ns = exchange_started(x);
    router_write_id(r, rq->number, rq->id);
    exchange_set_owner(x, rq);
    toll_open(rq);
    bool is_good = view_init(&rq->scope.view, protocol, rq->id, exchange_head(x), exchange_body(x), exchange_arena(x), &param, &err) == 0;
    rq->scope.view.to_chat = protocol == PROTOCOL_EMBEDDINGS ? NULL : outbound_chat;
    traceparent_read(rq);
    if (!is_good) {
        journal_begin(rq);
        request_error(rq, 400, NULL, param, err.message);
        return;
    }
    timer_set(&rq->total, DEFAULT_TOTAL_MS);
    if (!toll_enter(rq))
        return;
    units_choose(rq);
    resolve(rq, rq->scope.view.model, false);
}

/* ---- without a client ---- */

struct request *request_take_answer(struct router *r, const struct answer_start *start)
{
    struct request *rq = router_take(r);
    const char *param;
    struct err err;
    open_request(rq, r, start->generation);
    rq->run = start->run;
    rq->scope.host = &ANSWER_HOST;
    rq->route = start->route;
    rq->number = rq->scope.seed = start->number;
    rq->started_ns = clock_ns();
    memcpy(rq->id, start->id, sizeof rq->id);
    rq->traceparent = NULL;
    rq->refused = view_init(&rq->scope.view, start->protocol, rq->id, start->head, start->body, start->arena, &param, &err) < 0 ? "no room" : NULL;
    rq->scope.view.to_chat = start->protocol == PROTOCOL_EMBEDDINGS ? NULL : outbound_chat;
    rq->scope.limit = (struct limit){start->usd > 0, start->usd, -1, -1, -1};
    timer_set(&rq->total, start->total_ms);
    return rq;
}

void request_start_answer(struct request *rq)
{
    if (rq->refused)
        request_error(rq, 400, NULL, NULL, rq->refused);
    else
        run_rule(rq, answered_rule(rq->run));
}
