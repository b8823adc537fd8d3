#include "vm/task.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/alloc.h"
#include "vm/guard.h"
#include "vm/state.h"

struct beginning {
    struct task *task;
    int ref;
    int (*push)(lua_State *L, void *arg);
    void *arg;
    int nargs;
};

/* In vm_protect: the coroutine, anchored, with the function and its arguments on it. */
static int begin(lua_State *L)
{
    struct beginning *b = lua_touserdata(L, 1);
    lua_State *co = b->task->vm->spare;
    b->task->ref = b->task->vm->spare_ref;
    b->task->vm->spare = NULL;
    if (co == NULL) {
        co = lua_newthread(L);
        b->task->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    b->task->co = co;
    lua_rawgeti(L, LUA_REGISTRYINDEX, b->ref);
    b->nargs = b->push ? b->push(L, b->arg) : 0;
    if (b->nargs > TASK_MOST_VALUES)
        return luaL_error(L, "a task takes at most %d arguments", TASK_MOST_VALUES);
    lua_xmove(L, co, b->nargs + 1);
    return 0;
}

static void forget_ops(struct task *t)
{
    if (t->ops != t->few)
        free(t->ops);
    t->ops = NULL;
    t->op_count = 0;
    t->wake = 0;
}

static void cancel_all(struct op **ops, int count)
{
    for (int i = 0; i < count; i++)
        if (!ops[i]->is_done)
            ops[i]->cancel(ops[i]);
}

/* From here on the task is ended: what it waited for is cancelled and nothing of it will run. */
static void end(struct task *t)
{
    t->co = NULL;
    if (t->is_posted)
        t->host->unpost(t->host->arg, t);
    t->is_posted = false;
    if (t->ops)
        cancel_all(t->ops, t->op_count);
    forget_ops(t);
}

static void let_go(struct vm *vm)
{
    if (--vm->holds == 0 && vm->is_doomed)
        vm_free(vm);
}

/* A coroutine that returned can run another function; one that raised cannot. */
static void keep(struct vm *vm, lua_State *co, int ref)
{
    if (vm->spare) {
        luaL_unref(vm->L, LUA_REGISTRYINDEX, ref);
        return;
    }
    lua_settop(co, 0);
    vm->spare = co;
    vm->spare_ref = ref;
}

static void finish(struct task *t, struct task_result *result)
{
    struct vm *vm = t->vm;
    int ref = t->ref;
    result->script_us = t->used_us;
    end(t);
    vm->holds++;
    if (result->outcome != TASK_RETURNED)
        luaL_unref(vm->L, LUA_REGISTRYINDEX, ref);
    if (result->outcome == TASK_OVER_MEMORY)
        vm_collect(vm);
    t->done(t->ctx, result);
    if (result->outcome == TASK_RETURNED)
        keep(vm, result->L, ref);
    let_go(vm);
}

static void fail(struct task *t, enum task_outcome outcome, struct task_result *result)
{
    result->outcome = outcome;
    if (outcome != TASK_RAISED)
        vm_words_over(t->co, outcome == TASK_OVER_TIME, &result->err);
    else
        vm_words(t->co, &result->err);
    finish(t, result);
}

static unsigned ms_left(const struct task *t)
{
    uint64_t used = t->used_us / 1000;
    return used < t->vm->limits.script_ms ? t->vm->limits.script_ms - (unsigned)used : 1;
}

/* The one place that resumes. */
static void run(struct task *t, int nargs)
{
    struct vm *vm = t->vm;
    bool is_late;
    guard_enter(vm, ms_left(t));
    vm->running = t;
    int status = lua_resume(t->co, nargs);
    vm->running = NULL;
    t->used_us += guard_leave(vm, &is_late);
    if (status == LUA_YIELD && t->used_us >= vm->limits.script_ms * 1000ull)
        is_late = true; /* many short slices: no tick sees them */

    struct task_result result = {.outcome = TASK_RETURNED, .L = t->co};
    if (status == 0) {
        result.count = lua_gettop(t->co);
        result.place = result.count > 0 ? vm->last_return : 0;
        finish(t, &result);
    } else if (is_late || vm->is_over || status == LUA_ERRMEM) {
        fail(t, is_late ? TASK_OVER_TIME : TASK_OVER_MEMORY, &result);
    } else if (status != LUA_YIELD) {
        fail(t, TASK_RAISED, &result);
    }
}

void task_start(struct task *t, struct vm *vm, const struct task_host *host, int ref,
                int (*push)(lua_State *L, void *arg), void *arg,
                void (*done)(void *ctx, struct task_result *result), void *ctx)
{
    *t = (struct task){.vm = vm,
                       .host = host,
                       .owner = t->owner,
                       .post_state = t->post_state,
                       .ref = LUA_NOREF,
                       .done = done,
                       .ctx = ctx};
    struct beginning b = {t, ref, push, arg, 0};
    struct task_result result = {.outcome = TASK_RAISED};
    if (vm_protect(vm, begin, &b, &result.err) < 0)
        finish(t, &result);
    else
        run(t, b.nargs);
}

/* In vm_protect: what `resume` pushes goes to the coroutine. */
static int push_results(lua_State *L)
{
    struct beginning *b = lua_touserdata(L, 1);
    struct task *t = b->task;
    b->nargs = t->resume(L, t);
    if (t->wake > 0)
        return 0;
    if (b->nargs > TASK_MOST_VALUES) /* what every C function's frame has room for */
        return luaL_error(L, "a wait gives at most %d values", TASK_MOST_VALUES);
    lua_xmove(L, t->co, b->nargs);
    return 0;
}

static int done_count(struct op **ops, int count)
{
    int done = 0;
    for (int i = 0; i < count; i++)
        done += ops[i]->is_done;
    return done;
}

static void post_if_ready(struct task *t)
{
    if (t->wake == 0 || t->is_posted || t->vm->resuming == t ||
        done_count(t->ops, t->op_count) < t->wake)
        return;
    t->is_posted = true;
    t->host->post(t->host->arg, t);
}

void task_continue(struct task *t)
{
    t->is_posted = false;
    if (t->co == NULL || t->wake == 0)
        return;
    t->wake = 0;
    t->vm->resuming = t;
    t->vm->is_over = false;
    struct beginning b = {.task = t};
    struct task_result result = {.outcome = TASK_RAISED};
    int status = vm_protect(t->vm, push_results, &b, &result.err);
    t->vm->resuming = NULL;
    if (status < 0) {
        vm_add_place(t->co, &result.err);
        result.outcome = t->vm->is_over ? TASK_OVER_MEMORY : TASK_RAISED; /* in a task_call */
        finish(t, &result);
    } else if (t->wake > 0) {
        post_if_ready(t);
    } else {
        forget_ops(t);
        run(t, b.nargs);
    }
}

void task_cancel(struct task *t)
{
    if (t->co == NULL)
        return;
    struct vm *vm = t->vm;
    int ref = t->ref;
    end(t);
    luaL_unref(vm->L, LUA_REGISTRYINDEX, ref);
}

struct task *task_of(lua_State *L)
{
    return vm_of(L)->running;
}

/* NULL where a wait is possible. */
static const char *why_not(lua_State *L)
{
    struct task *t = task_of(L);
    if (t == NULL)
        return "cannot wait while a file is loaded: move this into the route's function";
    if (L != t->co)
        return "cannot wait inside coroutine.wrap or coroutine.resume: wait in the route itself "
               "(wye.gather asks several at once)";
    if (!lua_isyieldable(L))
        return "cannot wait inside table.sort, string.gsub or a metamethod's callback: wait before "
               "it and use the result there";
    return NULL;
}

void task_check_wait(lua_State *L)
{
    const char *why = why_not(L);
    if (why)
        luaL_error(L, "%s", why);
}

/* `ops` may be the array kept until now, when a resume function waits again. */
static void keep_ops(struct task *t, struct op **ops, int count)
{
    struct op **old = t->ops == t->few ? NULL : t->ops;
    t->ops = count <= TASK_FEW_OPS ? t->few : xmalloc((size_t)count * sizeof *ops);
    memmove(t->ops, ops, (size_t)count * sizeof *ops);
    t->op_count = count;
    for (int i = 0; i < count; i++)
        t->ops[i]->task = t;
    free(old);
}

static struct task *waiting_task(lua_State *L, struct op **ops, int count)
{
    if (vm_of(L)->resuming)
        return vm_of(L)->resuming;
    const char *why = why_not(L);
    if (why) {
        cancel_all(ops, count);
        luaL_error(L, "%s", why);
    }
    return task_of(L);
}

int task_wait(lua_State *L, struct op **ops, int count, int wake, task_resume *resume)
{
    struct task *t = waiting_task(L, ops, count);
    keep_ops(t, ops, count);
    t->resume = resume;
    if (done_count(t->ops, count) >= wake) {
        int results = resume(L, t);
        if (t->wake == 0)
            forget_ops(t);
        return results;
    }
    t->wake = wake;
    return t->vm->resuming == t ? 0 : lua_yield(L, 0);
}

void task_call(lua_State *L, struct task *t, int nargs, int nresults)
{
    struct vm *vm = t->vm;
    struct err err = {0};
    bool is_late;
    if (vm->running) {
        lua_call(L, nargs, nresults);
        return;
    }
    guard_enter(vm, ms_left(t));
    vm->running = t;
    int status = lua_pcall(L, nargs, nresults, 0);
    vm->running = NULL;
    t->used_us += guard_leave(vm, &is_late);
    is_late = is_late || t->used_us >= vm->limits.script_ms * 1000ull;
    if (status == 0 && !is_late)
        return;
    if (is_late || vm->is_over)
        vm_words_over(L, is_late, &err);
    else
        vm_words(L, &err);
    luaL_error(L, "%s", err.message);
}

void op_done(struct op *op)
{
    op->is_done = true;
    if (op->task && op->task->co)
        post_if_ready(op->task);
}

int task_yield(lua_State *L)
{
    struct task *t = task_of(L);
    if (L == vm_of(L)->L || (t && L == t->co))
        return luaL_error(L, "coroutine.yield outside a coroutine: the route itself cannot yield");
    if (!lua_isyieldable(L))
        return luaL_error(L, "cannot yield inside table.sort, string.gsub or require");
    return lua_yield(L, lua_gettop(L));
}

int task_running(lua_State *L)
{
    struct task *t = task_of(L);
    if (L == vm_of(L)->L || (t && L == t->co))
        lua_pushnil(L);
    else
        lua_pushthread(L);
    return 1;
}
