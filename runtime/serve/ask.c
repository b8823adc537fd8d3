/* The host's side of model:ask and wye.note: buffered calls that a route waits for in order to decide. */
#include "base/clock.h"
#include "serve/answered.h"
#include "serve/budget.h"
#include "serve/fit.h"
#include "serve/capture.h"
#include "serve/feedback.h"
#include "serve/journal.h"
#include "serve/keyring.h"
#include "serve/router_state.h"
#include "serve/vitals.h"

enum { CONNECT_MS = 5000, ATTEMPT_MS = 60000 };

/* What an op waits for. */
struct pending {
    struct list link;
    struct op *op;
    int n; /* of the request's operations, when it is captured */
    void (*stop)(struct pending *p, struct request *rq, const char *why);
};

struct asking {
    struct pending pending;
    struct reply *reply;
    struct attempt *attempt;
    uint64_t key; /* of capture_ask_key, when it is captured */
    struct post post; /* of an ask that could not start: it still must not complete at once */
};

/* Whether what ended now is seen together with what ended before it. */
static unsigned joined(const struct request *rq)
{
    return rq->task.is_posted ? STEP_JOINED : 0;
}

static void complete(struct asking *k)
{
    struct attempt *a = k->attempt;
    struct arena *arena = a->request->scope.view.arena;
    *k->reply = (struct reply){
        .model = a->model,
        .status = a->status,
        .body = arena_str(arena, buf_str(&a->body)),
        .usage = a->usage,
        .usd = a->usd,
        .ms = attempt_ms(a),
        .attempt = a->n,
        .err = a->err,
    };
    if (k->reply->body.p == NULL && a->body.len > 0)
        err_set(&k->reply->err, ERR_LIMIT, "the request's memory is used up");
    journal_attempt(a->request, a, "script");
    attempt_clear(a);
    list_remove(&k->pending.link);
    if (a->request->capture)
        capture_ask(a->request, k->pending.n, k->key, k->reply, joined(a->request));
    op_done(k->pending.op);
}

static void on_post(void *arg)
{
    complete(arg);
}

static void begin(struct asking *k, struct request *rq, const struct model *model, const struct attempt_options *o)
{
    k->attempt = attempt_start(rq, model, o, k);
    if (k->attempt->call == NULL)
        loop_post(rq->router->options.loop, &k->post, on_post, k);
}

/* In what is left of the ask's time. */
static bool ask_by_next_key(struct asking *k, struct attempt *a)
{
    struct request *rq = a->request;
    struct attempt_options o = a->options;
    unsigned used = attempt_ms(a);
    struct err err;
    o.credential = used < o.attempt_ms && rq->run == NULL ? keyring_next(a) : NULL;
    if (o.credential == NULL || !budget_allows(rq, a->model, &err))
        return false;
    o.attempt_ms -= used;
    journal_attempt(rq, a, "next_key");
    attempt_clear(a);
    begin(k, rq, a->model, &o);
    return true;
}

static void on_done(struct attempt *a)
{
    if (!ask_by_next_key(a->owner, a))
        complete(a->owner);
}

static const struct attempt_events ASK_EVENTS = {.done = on_done};

static void stop_asking(struct pending *p, struct request *rq, const char *why)
{
    struct asking *k = (struct asking *)p;
    attempt_cancel(k->attempt, ERR_CANCELLED, why);
    post_cancel(&k->post);
    journal_attempt(rq, k->attempt, "stop");
    *k->reply = (struct reply){.model = k->attempt->model, .err = k->attempt->err};
    attempt_clear(k->attempt);
    if (rq->capture)
        capture_ask(rq, p->n, k->key, k->reply, STEP_STOPPED);
}

static void stop(struct pending *p, struct request *rq, const char *why)
{
    list_remove(&p->link);
    p->stop(p, rq, why);
}

static void cancel_op(struct op *op)
{
    struct request *rq = op->task->owner;
    LIST_EACH(it, &rq->asks) {
        struct pending *p = LIST_ENTRY(it, struct pending, link);
        if (p->op != op)
            continue;
        stop(p, rq, "the route needs it no longer");
        return;
    }
}

void request_cancel_asks(struct request *rq)
{
    LIST_EACH(it, &rq->asks)
        stop(LIST_ENTRY(it, struct pending, link), rq, "the request ended first");
}

static void start(struct request *rq, struct pending *p, struct op *op,
                  void (*stop_it)(struct pending *p, struct request *rq, const char *why))
{
    *p = (struct pending){.op = op, .stop = stop_it};
    op->cancel = cancel_op;
    list_init(&p->link);
    list_push(&rq->asks, &p->link);
    if (rq->capture)
        p->n = ++rq->capture->operations;
}

static struct attempt *unaskable(struct request *rq, const struct model *model, enum purpose purpose)
{
    char why[256];
    if (generation_provider_problem(rq->generation, model->provider, why, sizeof why) == NULL)
        return NULL;
    return attempt_refused(rq, model, purpose, why);
}

/* A model that cannot answer this is not called, nor thought ill of. */
static bool fits(struct request *rq, const struct model *model, const struct ask_options *options, struct err *err)
{
    bool is_drained = vitals_is_drained(rq, model);
    const char *why = is_drained ? "drained" : fit_problem(rq, model, options);
    if (why == NULL)
        return true;
    journal_candidate(rq, model, "passed_over", why);
    err_set(err, is_drained ? ERR_OVERLOADED : ERR_BAD_REQUEST, is_drained ? "%s is %s: the operator took it out of service" : "%s cannot answer this: %s", model->id, why);
    return false;
}

static void ask(struct scope *scope, const struct model *model, const struct ask_options *options, struct reply *reply,
                struct op *op)
{
    struct request *rq = (struct request *)scope;
    struct asking *k = arena_need(scope->view.arena, sizeof *k);
    struct attempt_options o = {
        .purpose = options->purpose,
        .where = options->where,
        .body = options->body,
        .edits = options->edits,
        .edit_count = options->edit_count,
        .connect_ms = CONNECT_MS,
        .attempt_ms = options->timeout_ms ? options->timeout_ms : ATTEMPT_MS,
        .events = &ASK_EVENTS,
    };
    start(rq, &k->pending, op, stop_asking);
    k->reply = reply;
    if (rq->capture)
        k->key = capture_ask_key(model, options);
    struct err err;
    bool is_allowed = fits(rq, model, options, &err) && budget_allows(rq, model, &err);
    k->attempt = is_allowed ? unaskable(rq, model, options->purpose) : attempt_unmade(rq, model, options->purpose, &err);
    if (k->attempt == NULL)
        begin(k, rq, model, &o);
    else
        loop_post(rq->router->options.loop, &k->post, on_post, k);
}

struct sleeping {
    struct pending pending;
    struct timer timer;
};

static void on_awake(void *arg)
{
    struct sleeping *s = arg;
    timer_clear(&s->timer);
    struct request *rq = s->pending.op->task->owner;
    list_remove(&s->pending.link);
    if (rq->capture)
        capture_sleep(rq, s->pending.n, joined(rq));
    op_done(s->pending.op);
}

static void stop_sleeping(struct pending *p, struct request *rq, const char *why)
{
    (void)why;
    timer_clear(&((struct sleeping *)p)->timer);
    if (rq->capture)
        capture_sleep(rq, p->n, STEP_STOPPED);
}

static void rest(struct scope *scope, unsigned ms, struct op *op)
{
    struct request *rq = (struct request *)scope;
    struct sleeping *s = arena_need(scope->view.arena, sizeof *s);
    start(rq, &s->pending, op, stop_sleeping);
    timer_init(&s->timer, rq->router->options.loop, on_awake, s);
    timer_set(&s->timer, ms);
}

static void note(struct scope *scope, struct str text, struct str data, struct str where)
{
    journal_note((struct request *)scope, text, data, where);
}

static struct table *kv(struct scope *scope)
{
    return ((struct request *)scope)->router->options.region->kv;
}

static unsigned p95_ms(const struct scope *scope, const struct model *model)
{
    return vitals_p95_ms((const struct request *)scope, model);
}

static const char *key(struct scope *scope)
{
    return toll_name((struct request *)scope);
}

static void expose(struct scope *scope, const struct exposure *e)
{
    journal_arm((struct request *)scope, e);
}

static void metric(struct scope *scope, struct str name, double value)
{
    struct request *rq = (struct request *)scope;
    feedback_metric(rq->router, rq->id, name, value);
}

static const char *answer_key(struct scope *scope)
{
    return answered_key(((struct request *)scope)->run);
}

const struct host ANSWER_HOST = {.ask = ask, .sleep = rest, .note = note, .kv = kv, .kv_is_fixed = true, .p95_ms = p95_ms, .key = answer_key};
const struct host REQUEST_HOST = {.ask = ask, .sleep = rest, .note = note, .kv = kv, .p95_ms = p95_ms, .key = key, .expose = expose, .takes_shadow = shadow_takes, .shadow = shadow_note, .metric = metric};
