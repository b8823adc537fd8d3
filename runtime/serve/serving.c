#include "serve/serving.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/answer.h"
#include "serve/journal.h"
#include "serve/router_state.h"

enum { CONNECT_MS = 5000, FIRST_TOKEN_MS = 120 * 1000, IDLE_MS = 60 * 1000, ATTEMPT_MS = 600 * 1000 };

static void try_model(struct request *rq);

static void mark_served(struct request *rq, const struct model *model)
{
    rq->served = model;
    rq->status = 200;
    if (rq->at > 0 && strcmp(rq->cause, "script_error") != 0)
        rq->cause = "failover";
    if (rq->first_ns == 0)
        rq->first_ns = clock_ns();
}

/* The models of the list that were not needed. */
static void record_rest(struct request *rq, const char *why)
{
    for (int i = rq->at + 1; i < rq->decision.count; i++)
        journal_candidate(rq, rq->decision.models[i], "passed_over", why);
}

static void record_success(struct request *rq, struct attempt *a)
{
    a->served = true;
    journal_attempt(rq, a, "stop");
    journal_candidate(rq, a->model, "served", NULL);
    record_rest(rq, "an earlier model served");
}

static void error_frame(struct buf *out, const struct attempt *a)
{
    int status = answer_status(a->err.kind);
    buf_puts(out, "data: ");
    chat_write_error(out, answer_type(status), str_of(a->err.message), NULL, err_kind_name(a->err.kind));
    buf_puts(out, "\n\n");
}

/* The provider's own error where it sent one, else wye's words for what happened. */
static void answer_failure(struct request *rq, struct attempt *a)
{
    if (a->is_committed) {
        struct buf frame = BUF(8192);
        error_frame(&frame, a);
        request_end_stream(rq, buf_str(&frame));
        buf_clear(&frame);
        return;
    }
    if (rq->at > 0 && strcmp(rq->cause, "script_error") != 0)
        rq->cause = "failover";
    if (rq->toll.is_spent && a->err.kind == ERR_LIMIT) {
        toll_refuse_spent(rq);
        return;
    }
    if (a->status < 400 || json_validate(buf_str(&a->body), NULL) < 0) {
        request_error(rq, answer_status(a->err.kind), err_kind_name(a->err.kind), NULL, a->err.message);
        return;
    }
    struct buf body = a->body;
    a->body = BUF(0);
    char more[256] = "";
    if (a->retry_after.p && a->retry_after.len < 128)
        snprintf(more, sizeof more, "Retry-After: " STR_FMT "\r\n", STR_ARG(a->retry_after));
    request_reply(rq, a->status, "application/json", more, buf_str(&body));
    buf_clear(&body);
}

static void after_failure(struct request *rq, struct attempt *a)
{
    bool may_pass_on = (rq->decision.next_on & (1u << a->err.kind)) && !a->is_committed;
    bool has_more = rq->at + 1 < rq->decision.count && rq->limit_hit == NULL;
    const char *next = a->is_committed ? "stop" : !may_pass_on ? "fail_fast" : has_more ? "next_model" : "exhausted";
    journal_attempt(rq, a, next);
    journal_candidate(rq, a->model, a->is_committed ? "served" : "tried",
                      arena_printf(rq->scope.view.arena, "%s: %s", err_kind_name(a->err.kind), a->err.message));
    if (may_pass_on && has_more) {
        attempt_clear(a);
        rq->serving = NULL;
        rq->at++;
        try_model(rq);
        return;
    }
    record_rest(rq, "an earlier model's error ended the request");
    if (may_pass_on)
        stats_add(rq->router->stats, STAT_EXHAUSTED, 1);
    answer_failure(rq, a);
}

/* A buffered completion for a client that asked for a stream. */
static void reply_as_stream(struct request *rq, struct str completion)
{
    struct exchange *x = rq->x;
    struct buf events = BUF(completion.len * 4 + 65536);
    chat_write_stream(&events, completion, rq->scope.view.wants_usage);
    struct str fields = answer_fields(rq, "Cache-Control: no-cache\r\n");
    exchange_begin(x, 200, "text/event-stream", fields, -1);
    request_end_stream(rq, buf_str(&events));
    buf_clear(&events);
}

static void reply_body(struct request *rq, struct str completion)
{
    if (rq->scope.view.stream)
        reply_as_stream(rq, completion);
    else
        request_reply(rq, 200, "application/json", "", completion);
}

static void on_commit(struct attempt *a)
{
    struct request *rq = a->request;
    a->served = true;
    mark_served(rq, a->model);
    exchange_begin(rq->x, 200, "text/event-stream", answer_fields(rq, "Cache-Control: no-cache\r\n"), -1);
}

static void on_frame(struct attempt *a, struct str bytes)
{
    if (!exchange_write(a->request->x, bytes))
        attempt_pause(a);
}

static void on_done(struct attempt *a)
{
    struct request *rq = a->request;
    if (a->err.kind != ERR_NONE) {
        after_failure(rq, a);
        return;
    }
    mark_served(rq, a->model);
    record_success(rq, a);
    struct buf *mine = a->is_sse ? &a->held : &a->body; /* the attempt ends before its bytes are written */
    struct buf rest = *mine;
    *mine = BUF(0);
    if (a->is_sse)
        request_end_stream(rq, buf_str(&rest));
    else
        reply_body(rq, buf_str(&rest));
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
    char why[256];
    struct attempt_options options = {
        .purpose = PURPOSE_SERVE,
        .stream = rq->scope.view.stream,
        .connect_ms = or_default(d->deadlines.connect, CONNECT_MS),
        .first_token_ms = or_default(d->deadlines.first_token, FIRST_TOKEN_MS),
        .idle_ms = or_default(d->deadlines.idle, IDLE_MS),
        .attempt_ms = or_default(d->deadlines.attempt, ATTEMPT_MS),
        .events = &SERVE_EVENTS,
    };
    if (generation_provider_problem(rq->generation, model->provider, why, sizeof why))
        rq->serving = attempt_refused(rq, model, PURPOSE_SERVE, why);
    else
        rq->serving = attempt_start(rq, model, &options, NULL);
    if (rq->serving->call == NULL)
        after_failure(rq, rq->serving);
}

void serving_begin(struct request *rq)
{
    struct decision *d = &rq->decision;
    if (d->deadlines.total) {
        uint64_t used = (clock_ns() - rq->started_ns) / 1000000;
        timer_set(&rq->total, d->deadlines.total > used ? d->deadlines.total - used : 1);
    }
    if (d->kind == DECIDE_MODELS) {
        try_model(rq);
        return;
    }
    struct reply *reply = d->reply;
    journal_served(rq, reply->attempt);
    journal_candidate(rq, reply->model, "served", "the route held its reply");
    mark_served(rq, reply->model);
    reply_body(rq, reply->body);
}

void serving_timed_out(struct request *rq)
{
    struct attempt *a = rq->serving;
    if (a == NULL || a->call == NULL) {
        request_error(rq, 504, "timeout", NULL, "The route did not decide within the total deadline.");
        return;
    }
    attempt_cancel(a, ERR_TIMEOUT, "the request's total deadline passed");
    after_failure(rq, a);
}

void serving_cancel(struct request *rq)
{
    struct attempt *a = rq->serving;
    rq->serving = NULL;
    if (a == NULL)
        return;
    if (a->call) {
        attempt_cancel(a, ERR_CANCELLED, "the client left");
        journal_attempt(rq, a, "stop");
    }
    attempt_clear(a);
}
