/*
 * state: one route VM. Stock LuaJIT, JIT off, text chunks only, a capped allocator, an environment
 * opened by hand.
 *
 * What a route sees: base (without load*, dofile, newproxy, getfenv/setfenv, collectgarbage), table,
 * string (find, match, gmatch, gsub step-bounded), math, bit, coroutine (sandbox.h), a `require` that
 * looks into the manifest, and what bind/ adds. Globals are read-only, a write or a misspelt read
 * raises with a near name. All code loaded is instrumented (lines.h) so that the place of every return
 * is known. One thread uses a VM. Nothing here yields.
 *
 * Memory: while a script runs (vm_call, vm_run_file, a task's slice) growth over limits.memory is
 * refused, which ends the script however many pcalls it hides in. The host's own calls outside are
 * never refused. Every call of the Lua API that allocates belongs inside vm_call, vm_protect or a task.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "base/err.h"
#include "base/str.h"

struct manifest;

struct vm_limits {
    unsigned script_ms; /* CPU milliseconds of one run: a load, or all slices of one request (50) */
    size_t memory;      /* bytes of Lua heap (32 MiB) */
};

enum { VM_METATABLES = 3 };

struct vm_metatable {
    const void *p; /* the table, for comparison */
    int ref;       /* in the registry */
};

struct vm {
    lua_State *L;
    struct vm_limits limits;
    size_t used;             /* bytes now allocated */
    bool is_over;            /* the running script was refused an allocation */
    struct manifest *files;  /* what require and the wye.* loaders read; not owned */
    void *host;              /* bind/'s: whatever its functions need (generation, worker) */
    struct task *running;    /* whose slice runs now, or NULL while loading */
    struct vm_metatable metatables[VM_METATABLES]; /* bind/'s, by its numbers (field.h): found without hashing a name */
    int last_return;         /* place code of the newest return executed (lines.h); 0: none */

    /* What follows is vm/'s own. */
    bool is_guarded;         /* a script runs: the memory limit holds */
    size_t soft;             /* over this the garbage is collected before the next instruction */
    const char *stack_base;  /* where the C stack was when the script was entered */
    struct require *loading; /* the files being loaded, innermost first */
    struct task *resuming;   /* whose `resume` function runs */
    lua_State *spare;        /* a coroutine that returned, for the next task */
    int spare_ref;           /* keeps it alive */
    int holds;               /* calls that still need the VM; vm_free waits for them */
    bool is_doomed;          /* freed while held */
    int env, globals, modules, handler, runner, protector; /* registry references (sandbox.h, state.c) */
    lua_CFunction work;      /* what vm_protect is to run, and its argument */
    void *work_arg;
    struct err *err;         /* where the handler of the running vm_call puts its words; else NULL */
    long refuse_in;          /* tests: this many allocations from now one is refused; 0: never */
};

/* A new VM with the sandbox open, or NULL (err) when even that exceeds the memory limit. */
struct vm *vm_new(const struct vm_limits *limits, struct manifest *files, struct err *err);

/* Safe from inside a task's `done`: then it is freed when that returns. */
void vm_free(struct vm *vm);

/* The VM that L (or any coroutine of it) belongs to. */
struct vm *vm_of(lua_State *L);

/*
 * Loads the file of the manifest as a chunk in the sandbox environment and runs it under the limits;
 * leaves its one result on the stack. 0, or -1 with err: "routes/route.lua:12: message" (the path as
 * the manifest names it). The stack is as before on error.
 */
int vm_run_file(struct vm *vm, const char *path, struct err *err);

/* Compiles a file of the manifest and leaves the function on L, or raises. */
void vm_load(lua_State *L, const char *path);

/*
 * Adds a C function or value (on top of the stack, popped) to the environment every chunk sees. While a
 * VM is being set up, in vm_protect. A table becomes writable by scripts unless vm_lock makes it read-only.
 */
void vm_set_global(struct vm *vm, const char *name);

/*
 * Replaces the table on top of the stack by a read-only view: writing raises, also through rawset and
 * table.insert; reading what is not there raises "unknown field 'noet' of wye (did you mean 'note'?)"
 * when `name` is given, else gives nil.
 */
void vm_lock(lua_State *L, const char *name);

/*
 * Calls what is on the stack (function and nargs arguments) under the limits (deadline, memory),
 * outside any request. As lua_pcall; err (may be NULL) has file:line. Function and arguments are
 * popped either way.
 */
int vm_call(struct vm *vm, int nargs, int nresults, struct err *err);

/*
 * Runs f(L) with `arg` as its one argument (lua_touserdata(L, 1)), protected but without limits: for
 * the host's own work with the Lua API. Results of f are dropped.
 */
int vm_protect(struct vm *vm, lua_CFunction f, void *arg, struct err *err);

/* Puts what was raised (on top of L, whose frames may still stand) into words: "file:line: message". */
void vm_words(lua_State *L, struct err *err);

/* The same for a script that the guard or the memory cap ended. */
void vm_words_over(lua_State *L, bool is_late, struct err *err);

/* The line where L stands, "routes/route.lua:12"; false when no file's code runs there. Allocates nothing. */
bool vm_place(lua_State *L, char *out, size_t size);

/* The line where the function in the registry begins, "routes/route.lua:2"; false when it is of no file. Allocates nothing. */
bool vm_function_place(struct vm *vm, int ref, char *out, size_t size);

/* Puts the line where L stands before a message that has none. */
void vm_add_place(lua_State *L, struct err *err);

/* A full collection. */
void vm_collect(struct vm *vm);

/* Raises when callbacks and coroutines nest so deep that the C stack would suffer. */
void vm_check_depth(lua_State *L);

/* For guard.c: where the soft line lies now. It moves up when little was garbage, so that collecting stays rare. */
size_t vm_soft_line(const struct vm *vm);

/* The nearest name to `wrong` among NUL-terminated `names` (count of them), or NULL when none is near: for "did you mean". */
const char *vm_near(const char *wrong, const char *const *names, int count);
