/*
 * lint: what is wrong with a source on every path, taken or not: names that are neither a local nor a
 * global, writes of globals, and fields that the read-only tables (wye, wye.json, …) do not have.
 *
 * A walk over the tokens with the scopes of locals, not a parser. Where it cannot know it is silent: a
 * local counts from its name on (in its own initial value too), and the locals of a `repeat` count to the
 * end of the block around it. The files must have compiled.
 */
#pragma once

#include "base/err.h"
#include "vm/state.h"

struct lint_finding {
    const char *path; /* within the project: "route.lua" */
    int line, column; /* from 1 */
    int width;
    const char *message; /* "unknown global 'chaep' (did you mean 'cheap'?)" */
};

/* Calls `found` for each finding in the Lua files that the VM's manifest has recorded; `found` must not use the VM. 0, or -1 with err for lack of memory. */
int lint_files(struct vm *vm, void (*found)(void *arg, const struct lint_finding *f), void *arg,
               struct err *err);
