#include "serve/serving.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/answer.h"
#include "serve/budget.h"
#include "serve/capture.h"
#include "serve/chat.h"
#include "serve/continuation.h"
#include "serve/journal.h"
#include "serve/keyring.h"
#include "serve/refusal.h"
#include "serve/retell.h"
#include "serve/router_state.h"
#include "serve/transcript.h"
#include "serve/vitals.h"

enum { FEWEST_ATTEMPTS = 3, MOST_ATTEMPTS = 6, LONGEST_WAIT_MS = 30 * 1000 };
enum { MAX_FRAMES = 2 << 20, MAX_KEPT = 1 << 20 };
enum { CONNECT_MS = 5000, FIRST_TOKEN_MS = 120 * 1000, IDLE_MS = 60 * 1000, ATTEMPT_MS = 600 * 1000 };

static void try_model(struct request *rq);

/* Another model than the list's first was reached: those before it failed, or cool. */
static bool has_moved_on(const struct request *rq)
{
    return rq->plan.tried > 1 || rq->at > rq->plan.first;
}

static void mark_served(struct request *rq, const struct model *model)
{
    rq->served = model;
    rq->status = 200;
    if (has_moved_on(rq) && strcmp(rq->cause, "script_error") != 0)
        rq->cause = "failover";
    if (rq->first_ns == 0)
        rq->first_ns = clock_last_ns(); /* when the attempt ended or committed, or the script did */
}

static void record_success(struct request *rq, struct attempt *a)
{
    a->served = true;
    journal_attempt(rq, a, "stop");
    journal_candidate(rq, a->model, "served", rq->plan.moved);
    plan_record_rest(rq, "an earlier model served");
}

/* What a provider's status means to a client of another protocol; its own to one of the same. */
static int status_for(const struct request *rq, const struct attempt *a)
{
    switch (a->err.kind) {
    case ERR_AUTH: return a->status == 403 ? 403 : a->status ? 401 : answer_status(ERR_AUTH);
    case ERR_OVERLOADED: return rq->scope.view.protocol == PROTOCOL_MESSAGES ? 529 : 503;
    default: return a->status >= 400 && a->status != 529 ? a->status : answer_status(a->err.kind);
    }
}

/* Of a stream that has begun. */
static void end_with_error(struct request *rq, const struct err *err)
{
    struct buf frame = BUF(8192);
    struct refusal refusal = {answer_status(err->kind), err_kind_name(err->kind), NULL, rq->id, str_of(err->message)};
    refusal_write_frame(&frame, rq->scope.view.protocol, &refusal);
    request_end_stream(rq, buf_str(&frame));
    buf_clear(&frame);
}

/* The provider's own, whole, where it said something that the client cannot read as it came. */
static const char *words_for(const struct request *rq, const struct attempt *a)
{
    struct str words = {NULL, 0};
    if (a->translation && a->status >= 400)
        words = wire_error_words(buf_str(&a->body), rq->scope.view.arena);
    return words.len > 0 ? words.p : a->err.message;
}

/* The provider's own error where it sent one, else wye's words for what happened. */
static void answer_failure(struct request *rq, struct attempt *a)
{
    rq->broke_off = request_has_begun(rq);
    if (a->is_committed && a->held.len > 0) { /* what the provider itself said in the client's protocol */
        struct buf frame = a->held;
        a->held = BUF(0);
        request_end_stream(rq, buf_str(&frame));
        buf_clear(&frame);
        return;
    }
    if (request_has_begun(rq)) {
        end_with_error(rq, &a->err);
        return;
    }
    if (has_moved_on(rq) && strcmp(rq->cause, "script_error") != 0)
        rq->cause = "failover";
    if (rq->toll.is_spent && a->err.kind == ERR_LIMIT) {
        toll_refuse_spent(rq);
        return;
    }
    char wait[160] = "";
    if (a->retry_after.p && a->retry_after.len < 128)
        snprintf(wait, sizeof wait, "Retry-After: " STR_FMT "\r\n", STR_ARG(a->retry_after));
    else if (a->hint.wait_ms > 0)
        snprintf(wait, sizeof wait, "Retry-After: %lld\r\n", (long long)(a->hint.wait_ms + 999) / 1000);
    const char *more = arena_join(rq->scope.view.arena, wait, a->id_field ? a->id_field : "", (char *)NULL).p;
    more = more ? more : "";
    if (a->translation || a->status < 400 || json_validate(buf_str(&a->body), NULL) < 0) {
        request_error_with(rq, status_for(rq, a), err_kind_name(a->err.kind), a->param, more, words_for(rq, a));
        return;
    }
    struct buf body = a->body;
    a->body = BUF(0);
    request_reply(rq, a->status, "application/json", more, buf_str(&body));
    buf_clear(&body);
}

/* Time left of the request, as far as deadlines and limits bound it. */
static int64_t left_ms(const struct request *rq)
{
    int64_t used = (int64_t)((clock_ns() - rq->started_ns) / 1000000);
    unsigned total = rq->decision.deadlines.total;
    unsigned by_limit = budget_ms(rq, LONGEST_WAIT_MS);
    int64_t left = total ? (int64_t)total - used : LONGEST_WAIT_MS;
    return left < by_limit ? left : by_limit;
}

/* A quota of money or of a day says 429 too, and waiting does not refill it. */
static bool is_spent(const struct attempt *a)
{
    struct str body = buf_str(&a->body);
    return a->hint.wait_ms < 0 && body.p &&
           (memmem(body.p, body.len, "quota", 5) || memmem(body.p, body.len, "billing", 7) || memmem(body.p, body.len, "spend", 5));
}

static bool may_heal(const struct attempt *a)
{
    switch (a->err.kind) {
    case ERR_RATE_LIMIT: return a->hint.should_retry != 0 && !is_spent(a);
    case ERR_OVERLOADED:
    case ERR_SERVER_ERROR:
    case ERR_CONNECT: return a->hint.should_retry != 0 && a->status != 501;
    default: return false;
    }
}

/* Two for each model of the list, within reason. */
static int most_attempts(const struct decision *d)
{
    int most = d->count * 2;
    return most < FEWEST_ATTEMPTS ? FEWEST_ATTEMPTS : most > MOST_ATTEMPTS ? MOST_ATTEMPTS : most;
}

/* Milliseconds until the same model is tried again, the only one of the list that can be; -1: it is not. */
static int64_t again_after(struct request *rq, const struct attempt *a)
{
    uint64_t now = clock_ms();
    struct err err;
    if (rq->run || rq->plan.tried > 1 || rq->retries + 1 >= most_attempts(&rq->decision) || !may_heal(a))
        return -1;
    if (!budget_allows(rq, a->model, &err))
        return -1;
    int64_t hint = a->hint.wait_ms > 0 ? a->hint.wait_ms : 0;
    int64_t wait = hint + retry_backoff_ms(rq->retries, router_random(rq->router));
    if (wait >= left_ms(rq) || (int64_t)vitals_cooling_ms(rq, a->model, now) > hint)
        return -1; /* too late, or it fails for others too: one call in a while probes it */
    if (!retry_withdraw(&rq->router->options.region->retries)) {
        stats_add(rq->router->stats, STAT_RETRY_BUDGET_SPENT, 1);
        return -1;
    }
    stats_add(rq->router->stats, STAT_RETRIES, 1);
    return wait;
}

static void refuse_over_budget(struct request *rq, const struct err *err)
{
    if (request_has_begun(rq)) {
        plan_record_rest(rq, "req:limit left no room");
        end_with_error(rq, err);
        return;
    }
    rq->cause = "limit";
    journal_candidate(rq, rq->decision.models[rq->at], "passed_over", err->message);
    plan_record_rest(rq, "req:limit left no room");
    request_error(rq, answer_status(ERR_LIMIT), "limit", NULL, arena_strdup(rq->scope.view.arena, err->message));
}

static void record_failure(struct request *rq, struct attempt *a, const char *next)
{
    journal_attempt(rq, a, next);
    journal_candidate(rq, a->model, a->is_committed ? "served" : "tried",
                      arena_printf(rq->scope.view.arena, "%s: %s", err_kind_name(a->err.kind), a->err.message));
}

/* The provider refused the key, or has had enough of it: the same model by another, before any other model. */
static bool try_next_key(struct request *rq, struct attempt *a)
{
    struct err err;
    struct credential *key = rq->limit_hit || rq->is_late || rq->run ? NULL : keyring_next(a);
    if (key == NULL || !budget_allows(rq, a->model, &err))
        return false;
    journal_attempt(rq, a, "next_key");
    rq->credential = key;
    rq->keys_tried = a->options.keys_tried;
    attempt_clear(a);
    rq->serving = NULL;
    try_model(rq);
    return true;
}

static void after_failure(struct request *rq, struct attempt *a)
{
    if (try_next_key(rq, a))
        return;
    bool is_final = a->is_committed && !continuation_is_possible(a);
    bool may_pass_on = (rq->decision.next_on & (1u << a->err.kind)) && !is_final && !rq->is_late;
    int next = may_pass_on && rq->limit_hit == NULL ? plan_next(rq) : -1;
    if (next >= 0) {
        struct err err;
        if (a->is_committed)
            continuation_begin(a, rq->decision.models[next]);
        bool has_room = budget_allows(rq, rq->decision.models[next], &err);
        record_failure(rq, a, has_room ? "next_model" : "exhausted");
        attempt_clear(a);
        rq->serving = NULL;
        rq->at = next;
        if (has_room)
            try_model(rq);
        else
            refuse_over_budget(rq, &err);
        return;
    }
    int64_t wait = may_pass_on && !a->is_committed && rq->limit_hit == NULL ? again_after(rq, a) : -1;
    if (wait >= 0) {
        journal_attempt(rq, a, "retry_same");
        attempt_clear(a);
        rq->serving = NULL;
        rq->is_waiting = true;
        timer_set(&rq->content, (uint64_t)wait);
        return;
    }
    record_failure(rq, a, a->is_committed ? "stop" : may_pass_on ? "exhausted" : "fail_fast");
    plan_record_rest(rq, "an earlier model's error ended the request");
    if (may_pass_on && rq->run == NULL)
        stats_add(rq->router->stats, STAT_EXHAUSTED, 1);
    answer_failure(rq, a);
}

/* A chat completion that wye holds, to a client of whichever protocol, streamed if it asked for that. */
static void reply_held(struct request *rq, struct str completion)
{
    struct exchange *x = rq->x;
    struct buf out = BUF(completion.len * 8 + 65536);
    struct err err;
    if (retell(rq, completion, &out, &err) < 0) {
        request_error(rq, 502, err_kind_name(err.kind), NULL, arena_strdup(rq->scope.view.arena, err.message));
    } else if (!rq->scope.view.stream) {
        request_reply(rq, 200, "application/json", "", buf_str(&out));
    } else {
        exchange_begin(x, 200, "text/event-stream", answer_fields(rq, "Cache-Control: no-cache\r\n"), -1);
        request_end_stream(rq, buf_str(&out));
    }
    buf_clear(&out);
}

static bool is_chat(const struct request *rq)
{
    return rq->scope.view.protocol == PROTOCOL_CHAT;
}

/* What a provider answered whole, in the client's protocol; chat clients may have asked for a stream. */
static void reply_body(struct request *rq, const char *more, struct str body)
{
    if (rq->scope.view.stream && is_chat(rq))
        reply_held(rq, body);
    else
        request_reply(rq, 200, "application/json", more, body);
}

/* The model that goes on answered whole although a stream was asked for. */
static void end_with_completion(struct request *rq, struct str completion)
{
    struct buf events = BUF(completion.len * 4 + 65536), retold = BUF(completion.len * 8 + 65536);
    chat_write_stream(&events, completion, rq->scope.view.wants_usage);
    continuation_retell(rq, buf_str(&events), &retold);
    request_end_stream(rq, buf_str(&retold));
    buf_clear(&events);
    buf_clear(&retold);
}

/* A whole answer of one model, for the cache. */
static void keep(struct request *rq, const struct attempt *a)
{
    if (!a->is_sse) {
        recall_keep(rq, a->model, buf_str(&a->body));
        return;
    }
    struct buf completion = BUF(MAX_KEPT);
    if (rq->transcript && recall_wants(rq) && !rq->is_continued && transcript_write(rq->transcript, &a->usage, &completion) == 0)
        recall_keep(rq, a->model, buf_str(&completion));
    buf_clear(&completion);
}

static void on_commit(struct attempt *a)
{
    struct request *rq = a->request;
    a->served = true;
    if (rq->is_continued)
        return;
    mark_served(rq, a->model);
    if (recall_wants(rq) || continuation_is_wanted(rq)) {
        rq->transcript = arena_need(rq->scope.view.arena, sizeof *rq->transcript);
        transcript_init(rq->transcript, rq->scope.view.arena);
    }
    struct str more = arena_join(rq->scope.view.arena, "Cache-Control: no-cache\r\n", a->id_field, (char *)NULL);
    exchange_begin(rq->x, 200, "text/event-stream", answer_fields(rq, more.p ? more.p : ""), -1);
}

static void on_frame(struct attempt *a, struct str bytes)
{
    struct request *rq = a->request;
    struct buf retold = BUF(2 * MAX_FRAMES);
    if (rq->transcript)
        transcript_read(rq->transcript, bytes);
    if (rq->is_continued) {
        continuation_retell(rq, bytes, &retold);
        bytes = buf_str(&retold);
    }
    if (rq->capture || rq->kept)
        request_told(rq, bytes);
    if (!exchange_write(rq->x, bytes))
        attempt_pause(a);
    buf_clear(&retold);
}

static void on_done(struct attempt *a)
{
    struct request *rq = a->request;
    if (a->err.kind != ERR_NONE) {
        after_failure(rq, a);
        return;
    }
    if (!rq->is_continued)
        mark_served(rq, a->model);
    record_success(rq, a);
    keep(rq, a);
    struct buf *mine = a->is_sse ? &a->held : &a->body; /* the attempt ends before its bytes are written */
    struct buf rest = *mine;
    *mine = BUF(0);
    if (a->is_sse)
        request_end_stream(rq, buf_str(&rest));
    else if (rq->is_continued)
        end_with_completion(rq, buf_str(&rest));
    else
        reply_body(rq, a->id_field, buf_str(&rest));
    buf_clear(&rest);
}

static const struct attempt_events SERVE_EVENTS = {on_commit, on_frame, on_done};

static unsigned or_default(unsigned ms, unsigned standard)
{
    return ms ? ms : standard;
}

static void try_model(struct request *rq)
{
    const struct decision *d = &rq->decision;
    const struct model *model = d->models[rq->at];
    struct err err;
    char why[256];
    if (!budget_allows(rq, model, &err)) {
        refuse_over_budget(rq, &err);
        return;
    }
    struct attempt_options options = {
        .purpose = PURPOSE_SERVE,
        .stream = rq->scope.view.stream,
        .connect_ms = or_default(d->deadlines.connect, CONNECT_MS),
        .first_token_ms = or_default(d->deadlines.first_token, FIRST_TOKEN_MS),
        .idle_ms = or_default(d->deadlines.idle, IDLE_MS),
        .attempt_ms = or_default(d->deadlines.attempt, ATTEMPT_MS),
        .credential = rq->credential,
        .keys_tried = rq->keys_tried,
        .events = &SERVE_EVENTS,
    };
    rq->credential = NULL;
    rq->keys_tried = 0;
    if (rq->is_continued)
        options.edit_count = continuation_edits(rq, model, &options.edits);
    if (options.edit_count < 0) {
        err_set(&err, ERR_LIMIT, "the request's memory is used up");
        rq->serving = attempt_unmade(rq, model, PURPOSE_SERVE, &err);
    } else if (generation_provider_problem(rq->generation, model->provider, why, sizeof why))
        rq->serving = attempt_refused(rq, model, PURPOSE_SERVE, why);
    else
        rq->serving = attempt_start(rq, model, &options, NULL);
    if (rq->serving->call == NULL)
        after_failure(rq, rq->serving);
}

static void serve_list(struct request *rq)
{
    if (rq->run == NULL)
        retry_deposit(&rq->router->options.region->retries);
    if (plan_open(rq)) {
        rq->at = plan_next(rq);
        try_model(rq);
        return;
    }
    const char *words = arena_printf(rq->scope.view.arena, "No model that the route named can serve this request: %s.", rq->plan.refused);
    request_error(rq, rq->plan.is_drained ? 503 : 400, rq->plan.is_drained ? "model_drained" : rq->plan.code, NULL, words);
}

void serving_again(struct request *rq)
{
    rq->is_waiting = false;
    rq->retries++;
    try_model(rq);
}

static bool serve_again(struct request *rq)
{
    const struct model *model;
    struct str completion;
    if (!recall_find(rq, &model, &completion))
        return false;
    journal_candidate(rq, model, "cache", "the same request was answered before");
    mark_served(rq, model);
    reply_held(rq, completion);
    return true;
}

void serving_begin(struct request *rq)
{
    struct decision *d = &rq->decision;
    if (d->deadlines.total) {
        uint64_t used = (clock_ns() - rq->started_ns) / 1000000;
        timer_set(&rq->total, d->deadlines.total > used ? d->deadlines.total - used : 1);
    }
    if (d->kind == DECIDE_MODELS && d->cache_s && is_chat(rq) && serve_again(rq))
        return;
    if (d->kind == DECIDE_MODELS) {
        serve_list(rq);
        return;
    }
    struct reply *reply = d->reply;
    journal_served(rq, reply->attempt);
    journal_candidate(rq, reply->model, "served", "the route held its reply");
    mark_served(rq, reply->model);
    reply_held(rq, reply->body);
}

void serving_timed_out(struct request *rq)
{
    struct attempt *a = rq->serving;
    if (a == NULL || a->call == NULL) {
        request_error(rq, 504, "timeout", NULL, "The route did not decide within the total deadline.");
        return;
    }
    rq->is_late = true;
    attempt_cancel(a, ERR_TIMEOUT, "the request's total deadline passed");
    after_failure(rq, a);
}

void serving_cancel(struct request *rq)
{
    struct attempt *a = rq->serving;
    rq->serving = NULL;
    if (rq->transcript)
        transcript_clear(rq->transcript);
    if (a == NULL)
        return;
    if (a->call) {
        attempt_cancel(a, ERR_CANCELLED, "the client left");
        journal_attempt(rq, a, "stop");
    }
    attempt_clear(a);
}
