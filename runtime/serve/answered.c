#include "serve/answered.h"

#include "base/clock.h"
#include "base/json.h"
#include "bind/shadow.h"
#include "serve/attempt.h"
#include "serve/capture.h"
#include "serve/router_state.h"
#include "serve/said.h"

enum { RUNNING_MOST = 2, QUEUED_MOST = 16, TOTAL_MS = 120 * 1000, RUN_MOST = 32 << 20, KEPT_MOST = 256 * 1024, SHARE_OF_CONNECTIONS = 4, EDIT_PIECES = 8 };

/* One of a pair. */
struct answer_run {
    struct shadow *shadow;
    struct request *request; /* NULL: not begun, or over */
    struct arena arena;      /* of the request */
    struct post post;
    bool is_copy;            /* the route once more */
    struct verdict verdict;
    int status;
    double usd;
    uint64_t began_ns, us;
    struct str said; /* {NULL, 0}: nothing that could be compared */
};

struct answers {
    double usd;          /* for each; 0: no limit of its own */
    const char *outcome; /* in the trace */
    struct str body;     /* of the request, without what asks for a stream */
    struct str said;     /* by the answer that the client got */
    struct answer_run rule, copy;
    int pending;
};

/* ---- while the request is served ---- */

void answered_note(struct shadow *s, struct request *rq, double usd)
{
    struct arena *arena = rq->scope.view.arena;
    struct answers *a = s->answers = arena_need(arena, sizeof *a);
    s->is_answering = s->of->answer_count < QUEUED_MOST + RUNNING_MOST;
    a->usd = usd;
    a->outcome = "too many wait";
    if (rq->kept || !s->is_answering)
        return;
    rq->kept = arena_need(arena, sizeof *rq->kept);
    *rq->kept = BUF(KEPT_MOST);
}

/* ---- when it is over ---- */

/* The same without what asks for a stream. */
static struct str unstreamed(struct str body, struct arena *arena)
{
    static const struct json_edit EDITS[] = {{"stream", {NULL, 0}}, {"stream_options", {NULL, 0}}};
    struct iovec pieces[EDIT_PIECES];
    struct buf joined = BUF(body.len);
    int count = json_splice(body, EDITS, 2, arena, pieces, EDIT_PIECES);
    for (int i = 0; i < count; i++)
        buf_append(&joined, pieces[i].iov_base, pieces[i].iov_len);
    struct str text = count > 0 ? arena_str(arena, buf_str(&joined)) : str_n(NULL, 0);
    buf_clear(&joined);
    return text;
}

/* Why there is nothing to answer beside; NULL when there is. */
static const char *problem(const struct shadow *s, struct request *rq)
{
    struct answers *a = s->answers;
    const struct view *v = &rq->scope.view;
    if (!s->is_answering)
        return a->outcome;
    if (rq->served == NULL || rq->status != 200 || rq->broke_off || rq->script_error)
        return "the request got no answer";
    a->said = said_read(v->protocol, v->stream, buf_str(rq->kept), rq->scope.view.arena);
    if (a->said.p == NULL)
        return "the answer is too long or has no text";
    return NULL;
}

static void give_up(struct shadow *s, const char *outcome)
{
    stats_add(s->of->router->stats, STAT_SHADOW_ANSWERS_DROPPED, 1);
    s->answers->outcome = outcome;
    if (!s->is_answering)
        return;
    s->is_answering = false;
    s->of->answer_count--;
    s->of->count++;
}

bool answered_queue(struct shadow *s, struct request *rq)
{
    struct answers *a = s->answers;
    const char *why = problem(s, rq);
    if (why) {
        give_up(s, why);
        return false;
    }
    a->body = rq->scope.view.stream ? unstreamed(s->scope.view.body, s->scope.view.arena) : s->scope.view.body;
    list_push(&s->of->queued, &s->link);
    timer_set(&s->of->next, 1);
    return true;
}

/* ---- the pair ---- */

static void begin(struct shadow *s, struct answer_run *run, bool is_copy)
{
    run->shadow = s;
    run->is_copy = is_copy;
    run->arena = ARENA(RUN_MOST);
    run->began_ns = clock_ns();
    struct answer_start start = {
        .run = run, .generation = s->generation, .route = s->route, .number = s->number, .id = s->id, .total_ms = TOTAL_MS,
        .protocol = s->scope.view.protocol, .head = s->scope.view.head, .body = s->answers->body, .arena = &run->arena, .usd = s->answers->usd,
    };
    run->request = request_take_answer(s->of->router, &start);
    request_start_answer(run->request);
}

static void start(struct shadow *s)
{
    struct answers *a = s->answers;
    a->pending = 2;
    s->of->running++;
    list_push(&s->of->answering, &s->link);
    begin(s, &a->rule, false);
    begin(s, &a->copy, true);
}

static bool has_money(const struct shadow *s)
{
    return purse_has(&s->of->router->options.region->shadows, s->generation->config->limits.shadow_usd, clock_wall_us());
}

void answered_turn(struct shadows *all)
{
    while (all->running < RUNNING_MOST && !list_is_empty(&all->queued)) {
        struct shadow *s = LIST_ENTRY(list_first(&all->queued), struct shadow, link);
        list_remove(&s->link);
        if (has_money(s)) {
            start(s);
            continue;
        }
        give_up(s, "limits.shadow_usd is spent");
        shadow_wait(s);
    }
}

static void settle(struct shadow *s)
{
    struct answers *a = s->answers;
    a->outcome = s->of->is_stopped ? "the server stops" : a->rule.status == 200 ? "answered" : "failed";
    s->verdict = a->rule.verdict;
    stats_add(s->of->router->stats, STAT_SHADOW_ANSWERS, 1);
    list_remove(&s->link);
    s->of->running--;
    timer_set(&s->of->next, 1);
    shadow_finish(s);
}

/* From the loop: whoever ended the request may still look at what lies in its arena. */
static void on_over(void *arg)
{
    struct answer_run *run = arg;
    arena_clear(&run->arena);
    if (--run->shadow->answers->pending == 0)
        settle(run->shadow);
}

static void stop(struct answer_run *run)
{
    if (run->request)
        request_abort(run->request);
}

void answered_stop(struct shadows *all)
{
    LIST_EACH(it, &all->answering) {
        struct shadow *s = LIST_ENTRY(it, struct shadow, link);
        stop(&s->answers->rule);
        stop(&s->answers->copy);
    }
}

static void close_run(struct answer_run *run)
{
    post_cancel(&run->post);
    arena_clear(&run->arena);
}

void answered_close(struct shadows *all)
{
    LIST_EACH(it, &all->answering) {
        struct shadow *s = LIST_ENTRY(it, struct shadow, link);
        close_run(&s->answers->rule);
        close_run(&s->answers->copy);
        settle(s);
    }
}

/* ---- what the requests ask ---- */

int answered_rule(const struct answer_run *run)
{
    return run->is_copy ? run->shadow->route->ref : run->shadow->rule;
}

void answered_mark(struct answer_run *run, lua_State *L)
{
    if (!run->is_copy)
        run->shadow->source = shadow_source(L, run->shadow->rule);
}

const char *answered_key(const struct answer_run *run)
{
    return run->shadow->key;
}

void answered_decided(struct request *rq, const struct err *failed)
{
    struct answer_run *run = rq->run;
    struct arena *arena = run->shadow->scope.view.arena;
    struct decision *d = &rq->decision;
    struct buf words = BUF(SHADOW_TEXT);
    capture_decision(&words, d, failed);
    run->verdict = (struct verdict){
        .is_over = true,
        .has_failed = failed != NULL,
        .words = arena_str(arena, buf_str(&words)),
        .reason = failed ? str_of("") : arena_str(arena, d->reason),
        .place = str_of(rq->place ? arena_strdup(arena, rq->place) : NULL),
        .error = failed ? arena_strdup(arena, failed->message) : NULL,
        .script_us = rq->script_us,
    };
    buf_clear(&words);
    d->cache_s = 0;
    d->deadlines.total = d->deadlines.total && d->deadlines.total < TOTAL_MS ? d->deadlines.total : TOTAL_MS;
}

int answered_admit(const struct request *rq, const struct model *model, struct err *err)
{
    const struct shadows *all = rq->run->shadow->of;
    unsigned most = model->provider->max_connections / SHARE_OF_CONNECTIONS;
    if ((unsigned)all->attempts < most)
        return 0;
    return err_set(err, ERR_LIMIT, "shadows have %u of the %u connections to %s", most, model->provider->max_connections, model->provider->name);
}

void answered_began(struct answer_run *run)
{
    run->shadow->of->attempts++;
}

void answered_ended(struct answer_run *run)
{
    run->shadow->of->attempts--;
}

void answered_used(struct answer_run *run, const struct attempt *a)
{
    struct router *r = run->shadow->of->router;
    run->usd += a->usd;
    purse_spend(&r->options.region->shadows, a->usd, clock_wall_us());
    stats_add(r->stats, STAT_SHADOW_ATTEMPTS, 1);
    if (a->err.kind != ERR_NONE)
        stats_add(r->stats, STAT_SHADOW_ATTEMPT_ERRORS, 1);
}

void answered_take(struct answer_run *run, int status, struct str body)
{
    struct shadow *s = run->shadow;
    run->request = NULL;
    run->status = status;
    run->us = (clock_ns() - run->began_ns) / 1000;
    if (status == 200)
        run->said = arena_str(s->scope.view.arena, said_read(s->scope.view.protocol, false, body, &run->arena));
    loop_post(s->of->router->options.loop, &run->post, on_over, run);
}

/* ---- the event ---- */

static void put_likeness(struct event *e, struct str said, struct str other, struct arena *arena, const enum field *fields)
{
    struct likeness l = said_likeness(said, other, arena);
    event_int(e, fields[0], l.is_exact);
    event_int(e, fields[1], l.is_alike);
    event_num(e, fields[2], l.overlap);
}

static void put_run(struct event *e, const struct answer_run *run, struct arena *arena, const enum field *fields)
{
    event_int(e, fields[0], run->status);
    event_num(e, fields[1], run->usd);
    event_int(e, fields[2], (int64_t)run->us);
    if (run->said.p)
        put_likeness(e, run->said, run->shadow->answers->said, arena, fields + 3);
}

void answered_write(const struct shadow *s, struct event *e)
{
    static const enum field RULE[] = {F_STATUS, F_USD, F_US, F_EXACT, F_ALIKE, F_OVERLAP};
    static const enum field COPY[] = {F_COPY_STATUS, F_COPY_USD, F_COPY_US, F_COPY_EXACT, F_COPY_ALIKE, F_COPY_OVERLAP};
    const struct answers *a = s->answers;
    struct arena *arena = s->scope.view.arena;
    event_z(e, F_OUTCOME, a->outcome);
    if (a->rule.shadow == NULL)
        return; /* it only decided */
    put_run(e, &a->rule, arena, RULE);
    put_run(e, &a->copy, arena, COPY);
    if (a->copy.verdict.is_over && s->primary.len > 0)
        event_int(e, F_COPY_DIFFERS, !str_same(a->copy.verdict.words, s->primary));
}
