#include "bind/first.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "bind/ask.h"
#include "bind/decision.h"
#include "bind/option.h"
#include "bind/tape.h"

enum { MAX_HEDGE = 3600 };

struct relay {
    struct op pause; /* until the next one starts; done when there is none */
    struct task *task;
    struct ask_options *options;
    const struct model *models[ASK_MAX_MODELS];
    struct asking *asked[ASK_MAX_MODELS];
    int count, started;
    double hedge;         /* seconds; below 0: none */
    uint64_t deadline_ns; /* 0: none */
};

static bool has_time(struct relay *r)
{
    if (r->deadline_ns == 0)
        return true;
    uint64_t now = tape_number(r->task->owner, TAPE_CLOCK, clock_ns);
    if (now < r->deadline_ns)
        r->options->timeout_ms = (unsigned)((r->deadline_ns - now) / 1000000 + 1);
    return now < r->deadline_ns;
}

static void set_pause(struct relay *r)
{
    struct scope *scope = r->task->owner;
    if (!r->pause.is_done)
        r->pause.cancel(&r->pause);
    r->pause = (struct op){.task = r->task, .is_done = true};
    if (r->hedge <= 0 || r->started == r->count)
        return;
    r->pause.is_done = false;
    scope->host->sleep(scope, (unsigned)(r->hedge * 1000 + 0.999), &r->pause);
}

static bool start_next(struct relay *r)
{
    if (r->started == r->count || !has_time(r))
        return false;
    if (r->started > 0)
        r->options->purpose = PURPOSE_HEDGE;
    struct asking *a = ask_start(r->task, r->models[r->started], r->options);
    a->group = r;
    r->asked[r->started++] = a;
    set_pause(r);
    return true;
}

static struct asking *winner(const struct relay *r)
{
    for (int i = 0; i < r->started; i++)
        if (r->asked[i]->op.is_done && r->asked[i]->reply.err.kind == ERR_NONE)
            return r->asked[i];
    return NULL;
}

/* When all have failed: how the last one asked did. */
static const struct reply *failure(const struct relay *r)
{
    return &r->asked[r->started - 1]->reply;
}

static void stop_all(struct relay *r)
{
    for (int i = 0; i < r->started; i++)
        ask_stop(r->asked[i]);
    if (!r->pause.is_done)
        r->pause.cancel(&r->pause);
    r->pause.is_done = true;
}

static int resume(lua_State *L, struct task *task);

/* Waits for whatever comes next. */
static int await(lua_State *L, struct relay *r)
{
    struct op *ops[ASK_MAX_MODELS + 1];
    int n = 0;
    for (int i = 0; i < r->started; i++)
        if (!r->asked[i]->op.is_done)
            ops[n++] = &r->asked[i]->op;
    if (!r->pause.is_done)
        ops[n++] = &r->pause;
    return task_wait(L, ops, n, 1, resume);
}

static bool is_anyone_working(const struct relay *r)
{
    for (int i = 0; i < r->started; i++)
        if (!r->asked[i]->op.is_done)
            return true;
    return false;
}

static bool may_go_on(const struct relay *r)
{
    return NEXT_ON_DEFAULT & (1u << failure(r)->err.kind);
}

static int resume(lua_State *L, struct task *task)
{
    struct relay *r = LIST_ENTRY(task->ops[0], struct asking, op)->group;
    struct asking *best = winner(r);
    if (best) {
        stop_all(r);
        ask_push_reply(L, best);
        return 1;
    }
    if (is_anyone_working(r)) {
        if (r->hedge > 0 && r->pause.is_done)
            start_next(r);
        return await(L, r);
    }
    if (may_go_on(r) && start_next(r))
        return await(L, r);
    stop_all(r);
    return ask_fail(L, &failure(r)->err, failure(r)->status);
}

static unsigned p95_ms(struct scope *scope, const struct model *model)
{
    struct str known = {0};
    char text[16];
    if (tape_take(scope, TAPE_P95, str_of(model->id), &known) != TAPE_LIVE) {
        snprintf(text, sizeof text, STR_FMT, STR_ARG(known));
        return (unsigned)strtoul(text, NULL, 10);
    }
    unsigned ms = scope->host->p95_ms ? scope->host->p95_ms(scope, model) : 0;
    snprintf(text, sizeof text, "%u", ms);
    tape_put(scope, TAPE_P95, str_of(model->id), str_of(text));
    return ms;
}

/* Seconds; "p95": what nineteen of twenty answers of the first model took lately, none as long as that is not known. */
static double read_hedge(lua_State *L, struct scope *scope, const struct model *first)
{
    double seconds = -1;
    lua_getfield(L, 3, "hedge");
    bool is_p95 = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "p95") == 0;
    lua_pop(L, 1);
    if (is_p95) {
        unsigned ms = p95_ms(scope, first);
        return ms ? ms / 1000.0 : -1;
    }
    option_number(L, 3, "wye.first", "hedge", 0, MAX_HEDGE, &seconds);
    return seconds;
}

int first_answer(lua_State *L)
{
    static const char *const OPTIONS[] = {ASK_OPTIONS, "hedge"};
    const struct model *models[ASK_MAX_MODELS];
    lua_settop(L, 3);
    int count = ask_models(L, 1, "wye.first", models);
    struct scope *scope = ask_scope(L, 2, "wye.first");
    task_check_wait(L);
    option_check(L, 3, "wye.first's options", OPTIONS, ASK_OPTION_COUNT + 1);
    struct relay *r = arena_need(scope->view.arena, sizeof *r);
    r->task = task_of(L);
    r->options = ask_options_new(L, scope);
    ask_read(L, 3, "wye.first", r->options);
    r->hedge = lua_istable(L, 3) ? read_hedge(L, scope, models[0]) : -1;
    r->pause.is_done = true;
    r->count = count;
    memcpy(r->models, models, sizeof models);
    if (r->options->timeout_ms)
        r->deadline_ns = tape_number(r->task->owner, TAPE_CLOCK, clock_ns) + r->options->timeout_ms * 1000000ull;
    while (start_next(r) && r->hedge == 0)
        ;
    return await(L, r);
}
