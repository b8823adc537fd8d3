#include "serve/journal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "bind/experiment.h"
#include "serve/answered.h"
#include "serve/attempt.h"
#include "serve/capture.h"
#include "serve/keyring.h"
#include "serve/router_state.h"
#include "serve/traceparent.h"

enum { DESIGN_EVERY = 64 };

/* Of a request without a client nothing is told but its attempts. */
static struct trace *trace_of(const struct request *rq)
{
    return rq->run ? NULL : rq->router->options.trace;
}

static void put_z(struct event *e, enum field f, const char *z)
{
    if (z)
        event_str(e, f, str_of(z));
}

void journal_begin(struct request *rq)
{
    rq->is_recorded = true;
    if (trace_of(rq) == NULL)
        return;
    struct event *e = event_open_late(trace_of(rq), EVENT_BEGIN, rq->number);
    put_z(e, F_ID, rq->id);
    put_z(e, F_TRACE, rq->trace_id);
    put_z(e, F_ROUTE, rq->route ? rq->route->name : NULL);
    event_int(e, F_GENERATION, rq->generation->id);
    put_z(e, F_HASH, rq->generation->hash);
    event_str(e, F_REQUESTED, rq->scope.view.model);
    put_z(e, F_KEY, toll_name(rq));
    put_z(e, F_API, PROTOCOL_NAMES[rq->scope.view.protocol]);
    event_str(e, F_PARENT, traceparent_span(rq));
    event_int(e, F_STREAM, rq->scope.view.stream);
    event_close(e);
    if (rq->router->capture_below)
        capture_begin(rq);
}

void journal_note(struct request *rq, struct str text, struct str data, struct str where)
{
    if (trace_of(rq) == NULL)
        return;
    struct event *e = event_open(trace_of(rq), EVENT_NOTE, rq->number);
    event_str(e, F_TEXT, text);
    if (data.len > 0)
        event_str(e, F_DATA, data);
    if (where.len > 0)
        event_str(e, F_LINE, where);
    event_close(e);
}

void journal_candidate(struct request *rq, const struct model *model, const char *state, const char *why)
{
    if (trace_of(rq) == NULL)
        return;
    struct event *e = event_open_late(trace_of(rq), EVENT_CANDIDATE, rq->number);
    put_z(e, F_MODEL, model->id);
    put_z(e, F_STATE, state);
    put_z(e, F_WHY, why);
    event_close(e);
}

/* The design is told now and then: a reader of the files needs it once. */
void journal_arm(struct request *rq, const struct exposure *e)
{
    struct experiment_binding *b = e->binding;
    char unit[17];
    if (trace_of(rq) == NULL)
        return;
    snprintf(unit, sizeof unit, "%015" PRIx64, e->unit);
    struct event *event = event_open(trace_of(rq), EVENT_ARM, rq->number);
    put_z(event, F_EXPERIMENT, b->source.name);
    put_z(event, F_ARM, b->source.arms[e->arm]);
    event_num(event, F_P, e->p);
    put_z(event, F_UNIT, unit);
    put_z(event, F_SOURCE, b->checksums[e->arm]);
    put_z(event, F_WEIGHTS, b->weights);
    if (b->source.salt != b->source.name)
        put_z(event, F_SALT, b->source.salt);
    if (b->said++ % DESIGN_EVERY == 0)
        put_z(event, F_DESIGN, b->source.design);
    event_close(event);
}

static const char *const PURPOSE_NAMES[] = {
#define X(name, text) text,
    PURPOSES(X)
#undef X
};

void journal_attempt_start(struct request *rq, const struct attempt *a)
{
    if (trace_of(rq) == NULL)
        return;
    struct event *e = event_open_late(trace_of(rq), EVENT_ATTEMPT_START, rq->number);
    event_int(e, F_N, a->n);
    put_z(e, F_MODEL, a->model->id);
    put_z(e, F_PURPOSE, PURPOSE_NAMES[a->options.purpose]);
    if (a->options.where.p)
        event_str(e, F_LINE, a->options.where);
    event_close(e);
}

static const char *completion_of(const struct attempt *a)
{
    switch (a->err.kind) {
    case ERR_NONE: return "succeeded";
    case ERR_CANCELLED: return "cancelled";
    case ERR_TIMEOUT: return "timed_out";
    default: return a->is_committed ? "stream_failed" : "failed";
    }
}

static void put_usage(struct event *e, const struct usage *u)
{
    static const enum field FIELDS[PRICE_BUCKETS] = {F_INPUT, F_CACHE_READ, F_CACHE_WRITE, F_OUTPUT, F_REASONING};
    for (int i = 0; u->is_known && i < PRICE_BUCKETS; i++)
        event_int(e, FIELDS[i], u->tokens[i]);
}

static void count_attempt(struct request *rq, const struct attempt *a)
{
    toll_used(rq, a);
    stats_add(rq->router->stats, STAT_ATTEMPTS, 1);
    if (a->err.kind != ERR_NONE)
        stats_add(rq->router->stats, STAT_ATTEMPT_ERRORS, 1);
}

/* One event holds it all, and the reader numbers it: it comes after the decision's own. */
static struct event *open_shadowed(struct request *rq, const struct attempt *a)
{
    struct event *e = event_open(rq->router->options.trace, EVENT_SHADOW_ATTEMPT, rq->number);
    put_z(e, F_MODEL, a->model->id);
    put_z(e, F_PURPOSE, "shadow");
    if (a->options.where.p)
        event_str(e, F_LINE, a->options.where);
    return e;
}

void journal_attempt(struct request *rq, const struct attempt *a, const char *next)
{
    if (a->n == 0)
        return; /* it was never made */
    rq->usd += a->usd;
    if (rq->run)
        answered_used(rq->run, a);
    else
        count_attempt(rq, a);
    if (rq->router->options.trace == NULL)
        return;
    struct event *e = rq->run ? open_shadowed(rq, a) : event_open_late(trace_of(rq), EVENT_ATTEMPT, rq->number);
    if (rq->run == NULL)
        event_int(e, F_N, a->n);
    if (a->status)
        event_int(e, F_STATUS, a->status);
    if (a->err.kind != ERR_NONE) {
        put_z(e, F_ERROR, err_kind_name(a->err.kind));
        put_z(e, F_WHY, a->err.message);
    }
    put_z(e, F_COMPLETION, completion_of(a));
    put_z(e, F_NEXT, next);
    event_int(e, F_DID_SERVE, a->served && rq->run == NULL);
    if (keyring_index(a))
        event_int(e, F_KEY_INDEX, keyring_index(a));
    if (a->first_ns)
        event_int(e, F_TTFT_US, (int64_t)(a->first_ns - a->started_ns) / 1000);
    event_int(e, F_US, (int64_t)(a->ended_ns - a->started_ns) / 1000);
    put_usage(e, &a->usage);
    event_num(e, F_USD, a->usd);
    event_close(e);
}

void journal_served(struct request *rq, int attempt)
{
    if (trace_of(rq) == NULL)
        return;
    struct event *e = event_open_late(trace_of(rq), EVENT_ATTEMPT, rq->number);
    event_int(e, F_N, attempt);
    event_int(e, F_DID_SERVE, 1);
    event_close(e);
}

void journal_decision(struct request *rq)
{
    if (trace_of(rq) == NULL || !rq->is_recorded)
        return;
    struct event *e = event_open_late(trace_of(rq), EVENT_DECISION, rq->number);
    put_z(e, F_SERVED, rq->served ? rq->served->id : NULL);
    put_z(e, F_CAUSE, rq->cause);
    if (rq->decision.reason.len > 0)
        event_str(e, F_REASON, rq->decision.reason);
    put_z(e, F_LINE, rq->place);
    put_z(e, F_RULE_LINE, rq->rule_place);
    event_num(e, F_USD, rq->usd);
    event_int(e, F_US, (int64_t)(rq->ended_ns - rq->started_ns) / 1000);
    event_int(e, F_SCRIPT_US, (int64_t)rq->script_us);
    event_int(e, F_STATUS, rq->status);
    put_z(e, F_ERROR, rq->script_error);
    put_z(e, F_LIMIT_HIT, rq->limit_hit);
    put_z(e, F_WHY, rq->refused);
    if (rq->scope.limit.is_set && rq->scope.limit.usd >= 0)
        event_num(e, F_LIMIT_USD, rq->scope.limit.usd);
    if (rq->scope.limit.is_set && rq->scope.limit.seconds >= 0)
        event_num(e, F_LIMIT_SECONDS, rq->scope.limit.seconds);
    struct str conversation = view_conversation(&rq->scope.view);
    if (conversation.p && !capture_hides(rq, conversation))
        event_str(e, F_CONVERSATION, conversation);
    event_close(e);
}
