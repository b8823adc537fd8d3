/*
 * task: one request's coroutine. Only this file resumes and yields.
 *
 * A waiting C function starts operations, sets each op's `cancel`, and ends with `return task_wait(L, ops, n, resume)`. What completes an op calls op_done, which never
 * resumes: it marks the op and posts the task to the ready queue. The task runs `resume` (a lua_CFunction-like continuation that pushes the results) once its wake
 * condition holds. Cancelling a task cancels its ops; nothing of it runs afterwards.
 *
 *     task_start(&t, vm, loop, route_ref, push_args, arg, done, ctx);   // may call done before returning
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
    int place;         /* of the newest return (lines.h) */
    struct err err;    /* else: "file:line: message" */
    uint64_t script_us;
};

/* Called to defer `task_run_ready`; handed in by the owner of the loop: vm does not know net. */
struct task_host {
    void (*post)(void *arg, struct task *task); /* must lead to task_continue(task) from the loop, later */
    void (*unpost)(void *arg, struct task *task);
    void *arg;
};

struct task {
    struct vm *vm;
    const struct task_host *host;
    void *owner;            /* bind/'s: the request */
    lua_State *co;
    int ref;                /* keeps co alive */
    struct op **ops;        /* what it waits for now */
    int op_count;
    int wake;               /* how many ops must be done to wake; 0: not waiting */
    int (*resume)(lua_State *L, struct task *task);
    bool is_posted;
    void *post_state;       /* the host's */
    uint64_t used_us;       /* script time so far */
    void (*done)(void *ctx, struct task_result *result);
    void *ctx;
};

/* Calls function `ref` (registry) with the `nargs` values that push() leaves. `done` is called once, unless the task is cancelled; may be at once. */
void task_start(struct task *t, struct vm *vm, const struct task_host *host, int ref, int (*push)(lua_State *L, void *arg), void *arg,
                void (*done)(void *ctx, struct task_result *result), void *ctx);
void task_continue(struct task *t);
void task_cancel(struct task *t); /* harmless when it has ended */

/* For waiting functions: as their last act. `wake` of the ops wake the task (count for all, 1 for any); ops not done then are the resume function's to keep or cancel. */
int task_wait(lua_State *L, struct op **ops, int count, int wake, int (*resume)(lua_State *L, struct task *task));
void op_done(struct op *op);
struct task *task_of(lua_State *L); /* of the running coroutine; NULL while loading */
