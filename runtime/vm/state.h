/*
 * state: one route VM. Stock LuaJIT, JIT off, text chunks only, a capped allocator, an environment opened by hand.
 *
 * What a route sees: base (without load*, dofile, newproxy, getfenv/setfenv, collectgarbage), table, string (find, match, gmatch, gsub
 * step-bounded), math, bit, coroutine (DESIGN, "The sandbox of a route VM"), a `require` that looks into the manifest, and what bind/ adds. Globals are
 * read-only, a write or a misspelt read raises with a near name. All code loaded is instrumented (lines.h) so that the place of every return is known.
 * One thread uses a VM. Nothing here yields.
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

struct vm {
    lua_State *L;
    struct vm_limits limits;
    size_t used;             /* bytes now allocated */
    bool is_over;            /* an allocation was refused since this was last cleared */
    struct manifest *files;  /* what require and the wye.* loaders read; not owned */
    void *host;              /* bind/'s: whatever its functions need (generation, worker) */
    struct task *running;    /* whose slice runs now, or NULL while loading */
    int last_return;         /* place code of the newest return executed (lines.h); 0: none */
};

/* A new VM with the sandbox open, or NULL (err) when even that exceeds the memory limit. */
struct vm *vm_new(const struct vm_limits *limits, struct manifest *files, struct err *err);
void vm_free(struct vm *vm);

/* The VM that L (or any coroutine of it) belongs to. */
struct vm *vm_of(lua_State *L);

/*
 * Loads the file of the manifest as a chunk in the sandbox environment and runs it under the limits; leaves its one result on the stack.
 * 0, or -1 with err: "routes/route.lua:12: message" (the path as the manifest names it). The stack is as before on error.
 */
int vm_run_file(struct vm *vm, const char *path, struct err *err);

/* Adds a C function or value (on top of the stack, popped) to the environment every chunk sees. */
void vm_set_global(struct vm *vm, const char *name);

/* Calls what is on the stack (function and nargs arguments) under the limits (deadline, memory), outside any request. As lua_pcall; err has file:line. */
int vm_call(struct vm *vm, int nargs, int nresults, struct err *err);

/* The nearest name to `wrong` among NUL-terminated `names` (count of them), or NULL when none is near: for "did you mean". */
const char *vm_near(const char *wrong, const char *const *names, int count);
