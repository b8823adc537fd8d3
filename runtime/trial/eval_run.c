#include "trial/eval_run.h"

#include <stdio.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/json.h"
#include "trial/eval_calls.h"
#include "trial/eval_grade.h"
#include "trial/eval_judge.h"

enum { TICK_MS = 100, JUDGE_ROUTE = 64 };

/* One run's own. */
struct flight {
    struct eval_run *run;
    struct eval_calls *calls;
    int next, in_flight;
    bool is_over; /* begin nothing more */
    bool is_cut;  /* the server was ended under what was in flight */
    bool has_failed;
};

static void fail(struct eval_outcome *o, const char *what)
{
    o->verdict = EVAL_FAILED;
    o->failed = what;
}

/* All but the judge. True when it holds so far. */
static bool grade(struct eval_run *run, int i)
{
    const struct eval_case *c = &run->set->at[i];
    struct eval_outcome *o = &run->results->at[i];
    struct eval_answer answer = {o->text, o->model};
    if (o->status != 200) {
        struct str message = json_text(json_pointer(o->reply, "/error/message"), &run->results->arena);
        snprintf(o->why, sizeof o->why, "status %d: %.300s", o->status, message.p ? message.p : "");
        fail(o, "answer");
        return false;
    }
    for (int k = 0; k < c->expect_count; k++) {
        const struct expectation *e = &c->expect[k];
        if (e->kind == EXPECT_MODEL && run->pin)
            continue;
        if (e->kind == EXPECT_LUA ? eval_lua_grade(run->lua, run->set, c, o, o->why) : eval_grade(e, &answer, o->why))
            continue;
        fail(o, EXPECT_NAMES[e->kind]);
        return false;
    }
    return true;
}

/* With what the judge said, or did not. */
static void conclude(struct eval_run *run, int i)
{
    const struct eval_case *c = &run->set->at[i];
    struct eval_outcome *o = &run->results->at[i];
    const struct expectation *judge = eval_case_expects(c, EXPECT_JUDGE);
    int left = c->expect_count - (judge && !o->is_judged) - (run->pin && eval_case_expects(c, EXPECT_MODEL));
    o->verdict = left ? EVAL_PASSED : EVAL_UNJUDGED;
    if (!judge || !o->is_judged || o->judge_agrees)
        return;
    snprintf(o->why, sizeof o->why, "the judge: %.150s; got '%.*s'", o->judge_reason, o->text.len > 120 ? 120 : (int)o->text.len, o->text.p);
    fail(o, EXPECT_NAMES[EXPECT_JUDGE]);
}

/* Keeps the answer and says what it is worth. */
static void settle(struct flight *f, int i)
{
    struct eval_run *run = f->run;
    conclude(run, i);
    if (run->results->file && !eval_results_write(run->results, i)) {
        err_set(&run->err, ERR_SYSTEM, "the results cannot be written: is the disk full?");
        f->has_failed = f->is_over = true;
    }
}

static void ask_judge(struct flight *f, int i)
{
    char route[JUDGE_ROUTE];
    const struct eval_run *run = f->run;
    const struct expectation *e = eval_case_expects(&run->set->at[i], EXPECT_JUDGE);
    struct eval_call *call = eval_call_new();
    run->judge_route(run, e->judge ? e->judge : run->judge, route, sizeof route);
    eval_judge_ask(&call->made, route, &run->set->at[i], e->text, run->results->at[i].text);
    call->body = buf_str(&call->made);
    call->owner = i;
    call->is_judge = true;
    f->in_flight++;
    eval_calls_give(f->calls, call);
}

static double usd_of(const struct eval_call *call)
{
    double usd = 0;
    if (json_validate(buf_str(&call->decision), NULL) == 0)
        json_number(json_get(json_pointer(buf_str(&call->decision), ""), "usd"), &usd);
    return usd;
}

static void take_verdict(struct flight *f, struct eval_call *call)
{
    struct eval_run *run = f->run;
    struct eval_outcome *o = &run->results->at[call->owner];
    o->judge_usd = usd_of(call);
    if (call->status != 200)
        err_set(&run->err, ERR_SERVER_ERROR, "the judge of case '%s': status %d", run->set->at[call->owner].id, call->status);
    else
        o->is_judged = eval_judge_read(buf_str(&call->reply), &run->results->arena, &o->judge_agrees, &o->judge_reason, &run->err) == 0;
    settle(f, call->owner);
}

static void take_answer(struct flight *f, struct eval_call *call)
{
    struct eval_run *run = f->run;
    int i = call->owner;
    eval_results_take(run->results, i, call->status, buf_str(&call->reply), buf_str(&call->decision));
    run->asked++;
    if (!grade(run, i)) {
        if (run->results->file)
            eval_results_write(run->results, i);
    } else if (run->has_judges && eval_case_expects(&run->set->at[i], EXPECT_JUDGE)) {
        ask_judge(f, i);
    } else {
        settle(f, i);
    }
}

static void take(struct flight *f, struct eval_call *call)
{
    struct eval_run *run = f->run;
    f->in_flight--;
    run->spent += usd_of(call);
    if (f->is_cut) {
        /* Asked anew by the next run. */
    } else if (call->status == 0) {
        run->err = call->err;
        f->has_failed = f->is_over = true;
    } else if (call->is_judge) {
        take_verdict(f, call);
    } else {
        take_answer(f, call);
    }
    eval_call_free(call);
    if (run->progress)
        run->progress(run);
}

/* The case's request, for the route that is asked. */
static void write_request(const struct eval_run *run, int i, struct eval_call *call)
{
    char model[JUDGE_ROUTE + 8];
    struct iovec pieces[4];
    struct arena arena = ARENA(4096);
    call->body = run->set->at[i].request;
    if (run->pin == NULL)
        return;
    snprintf(model, sizeof model, "\"wye/%s\"", run->pin);
    struct json_edit edit = {"model", str_of(model)};
    int count = json_splice(call->body, &edit, 1, &arena, pieces, 4);
    for (int k = 0; k < count; k++)
        buf_append(&call->made, pieces[k].iov_base, pieces[k].iov_len);
    call->body = buf_str(&call->made);
    arena_clear(&arena);
}

/* Is there money for one more, if what is under way costs what others did? Until one's price is known there is for one. */
static bool has_money(const struct flight *f)
{
    const struct eval_run *run = f->run;
    double each = run->asked ? run->spent / run->asked : run->usd;
    return run->usd <= 0 || f->in_flight == 0 || run->spent + f->in_flight * each < run->usd;
}

static void begin_more(struct flight *f)
{
    struct eval_run *run = f->run;
    for (; f->in_flight < run->parallel && f->next < run->set->count && !f->is_over && has_money(f); f->next++) {
        if (run->results->at[f->next].status)
            continue;
        struct eval_call *call = eval_call_new();
        write_request(run, f->next, call);
        call->owner = f->next;
        f->in_flight++;
        eval_calls_give(f->calls, call);
    }
}

/* Money stops what is to come; time and impatience also what is under way. */
static void look_at_budget(struct flight *f)
{
    const struct eval_run *run = f->run;
    bool is_late = *run->stop > 1 || (run->until_ms && clock_ms() >= run->until_ms);
    f->is_over |= is_late || *run->stop > 0 || (run->usd > 0 && run->spent >= run->usd);
    if (!is_late || f->is_cut || f->in_flight == 0)
        return;
    f->is_cut = true;
    run->cut(run->cut_arg);
}

static void fly(struct flight *f)
{
    do {
        look_at_budget(f);
        begin_more(f);
        struct eval_call *call = f->in_flight ? eval_calls_take(f->calls, TICK_MS) : NULL;
        if (call)
            take(f, call);
    } while (f->in_flight > 0 || (!f->is_over && f->next < f->run->set->count));
}

/* What an earlier run left. */
static void grade_known(struct eval_run *run)
{
    for (int i = 0; i < run->set->count; i++)
        if (run->results->at[i].status && grade(run, i))
            conclude(run, i);
}

int eval_run(struct eval_run *run)
{
    struct flight f = {.run = run};
    run->err.kind = ERR_NONE;
    grade_known(run);
    if (run->address) {
        f.calls = eval_calls_open(run->address, run->admin, run->parallel);
        fly(&f);
        eval_calls_close(f.calls);
    }
    run->is_complete = true;
    for (int i = 0; i < run->set->count; i++)
        run->is_complete &= run->results->at[i].verdict != EVAL_OPEN;
    return f.has_failed ? -1 : 0;
}
