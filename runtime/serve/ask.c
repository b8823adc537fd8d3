/* The host's side of model:ask and wye.note: buffered calls that a route waits for in order to decide. */
#include "base/clock.h"
#include "serve/journal.h"
#include "serve/router_state.h"

enum { CONNECT_MS = 5000, ATTEMPT_MS = 60000 };

struct asking {
    struct op *op;
    struct reply *reply;
    struct attempt *attempt;
    struct list link;
    struct post post; /* of an ask that could not start: it still must not complete at once */
};

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
    journal_attempt(a->request, a, "script");
    attempt_clear(a);
    list_remove(&k->link);
    op_done(k->op);
}

static void on_done(struct attempt *a)
{
    complete(a->owner);
}

static void on_post(void *arg)
{
    complete(arg);
}

static const struct attempt_events ASK_EVENTS = {.done = on_done};

static void cancel(struct asking *k, struct request *rq, const char *why)
{
    attempt_cancel(k->attempt, ERR_CANCELLED, why);
    post_cancel(&k->post);
    journal_attempt(rq, k->attempt, "stop");
    attempt_clear(k->attempt);
    list_remove(&k->link);
}

static void cancel_op(struct op *op)
{
    struct request *rq = op->task->owner;
    LIST_EACH(it, &rq->asks) {
        struct asking *k = LIST_ENTRY(it, struct asking, link);
        if (k->op != op)
            continue;
        cancel(k, rq, "the route needs it no longer");
        return;
    }
}

void request_cancel_asks(struct request *rq)
{
    LIST_EACH(it, &rq->asks)
        cancel(LIST_ENTRY(it, struct asking, link), rq, "the request ended first");
}

static struct attempt *unaskable(struct request *rq, const struct model *model, enum purpose purpose)
{
    char why[256];
    if (generation_provider_problem(rq->generation, model->provider, why, sizeof why) == NULL)
        return NULL;
    return attempt_refused(rq, model, purpose, why);
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
    op->cancel = cancel_op;
    k->op = op;
    k->reply = reply;
    k->attempt = unaskable(rq, model, options->purpose);
    if (k->attempt == NULL)
        k->attempt = attempt_start(rq, model, &o, k);
    if (k->attempt->call == NULL)
        loop_post(rq->router->options.loop, &k->post, on_post, k);
    list_init(&k->link);
    list_push(&rq->asks, &k->link);
}

static void note(struct scope *scope, struct str text, struct str data, struct str where)
{
    journal_note((struct request *)scope, text, data, where);
}

const struct host REQUEST_HOST = {ask, note};
