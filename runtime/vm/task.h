/*
 * task: one request's coroutine. Only this file resumes and yields.
 *
 * A waiting C function starts operations, sets each op's `cancel`, and ends with `return
 * task_wait(L, ops, n, wake, resume)`. What completes an op calls op_done, which never resumes: it
 * marks the op and posts the task to the host's ready queue. The task runs `resume` once its wake
 * condition holds; what that pushes is what the waiting function returns to Lua. Cancelling a task
 * cancels the ops it waits for; nothing of it runs afterwards.
 *
 *     task_start(&t, vm, host, route_ref, push_args, arg, done, ctx);   // may call done before returning
 *
 * A function that may wait calls task_check_wait first, before it starts anything: that raises, in
 * words, where no wait is possible (inside the script's own coroutine, a sort comparator, a gsub
 * callback, while loading).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "base/err.h"

struct vm;
struct task;

/* An operation in flight, embedded in what it waits for. */
struct op {
    struct task *task;
    bool is_done;
    void (*cancel)(struct op *op); /* stop it and free; called once, only while !is_done */
};

enum task_outcome { TASK_RETURNED, TASK_RAISED, TASK_OVER_TIME, TASK_OVER_MEMORY };

struct task_result {
    enum task_outcome outcome;
    lua_State *L;      /* TASK_RETURNED: the results are on its stack, 1..count */
    int count;
    int place;         /* of the newest return (lines.h); 0 when nothing was returned */
    struct err err;    /* else: "file:line: message" */
    uint64_t script_us;
};

/* Called to defer task_continue; handed in by the owner of the loop: vm does not know net. */
struct task_host {
    void (*post)(void *arg, struct task *task); /* must lead to task_continue(task) from the loop, later */
    void (*unpost)(void *arg, struct task *task);
    void *arg;
};

/*
 * Pushes what the waiting function returns (at most TASK_MOST_VALUES) and gives the count; L is NOT the coroutine and nothing of
 * the waiting function's stack is on it. May wait again (`return task_wait(…)`). Raising ends the task.
 */
typedef int task_resume(lua_State *L, struct task *task);

enum { TASK_FEW_OPS = 4, TASK_MOST_VALUES = 8 };

struct task {
    struct vm *vm;
    const struct task_host *host;
    void *owner;            /* bind/'s: the request; task_start keeps it */
    lua_State *co;          /* NULL: not started, ended or cancelled */
    int ref;                /* keeps co alive */
    struct op **ops;        /* what it waits for now: `few`, or on the heap */
    struct op *few[TASK_FEW_OPS];
    int op_count;
    int wake;               /* how many ops must be done to wake; 0: not waiting */
    task_resume *resume;
    bool is_posted;
    void *post_state;       /* the host's; task_start keeps it */
    uint64_t used_us;       /* script time so far */
    void (*done)(void *ctx, struct task_result *result);
    void *ctx;
};

/*
 * Calls function `ref` (registry) with the `nargs` values that push() leaves and counts (at most
 * TASK_MOST_VALUES; NULL: none). `done` is called once, unless the task is cancelled; may be at once.
 * After `done` nothing touches the task: it may be freed there, and so may the VM.
 */
void task_start(struct task *t, struct vm *vm, const struct task_host *host, int ref,
                int (*push)(lua_State *L, void *arg), void *arg,
                void (*done)(void *ctx, struct task_result *result), void *ctx);
void task_continue(struct task *t);
void task_cancel(struct task *t); /* harmless when it has ended; never from inside its own slice */

/*
 * For waiting functions, as their last act. `wake` of the ops wake the task (count for all, 1 for any);
 * ops not done then are the resume function's to keep or cancel. Copies the array, sets op->task. Where no wait is
 * possible the ops are cancelled and it raises. When enough ops are done already, resume runs at once.
 */
int task_wait(lua_State *L, struct op **ops, int count, int wake, task_resume *resume);
void task_check_wait(lua_State *L);

/*
 * For a resume function that asks the script something: calls the function and its nargs arguments on top of L in the task's own time
 * and memory. Raises what it raises; it cannot wait.
 */
void task_call(lua_State *L, struct task *t, int nargs, int nresults);
void op_done(struct op *op);
struct task *task_of(lua_State *L); /* of the running coroutine; NULL while loading */

/* Lua's coroutine.yield and coroutine.running, which must not reach the host's coroutine. */
int task_yield(lua_State *L);
int task_running(lua_State *L);
