/*
 * kit: the trusted VM in which busted runs a project's specs. Everything of LuaJIT is open in it, and nothing of a route VM is
 * reachable from it: specs drive routes by values that cross as JSON.
 *
 * scripts/testkit.lua (`require "wye.testkit"`) and scripts/specs.lua, which starts busted, are compiled into the program.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct kit;

/* {route, request, headers} in; the decision out, both JSON. -1 with err for what the spec did wrong. */
typedef int kit_decide(void *arg, struct kit *kit, struct str call, struct arena *arena, struct buf *out, struct err *err);

/*
 * Runs busted with the NUL-terminated arguments of its command line. KIT_BROKEN with err when busted could not run.
 */
enum { KIT_PASSED, KIT_FAILED, KIT_BROKEN };
int kit_run(const char *const *args, int count, kit_decide *decide, void *arg, struct err *err);

/* The same over specs of wye's own adapters, which find what the host VM has (adapters.h) and drive no route. */
int kit_run_adapters(const char *const *args, int count, struct err *err);

/* While `decide` runs: the answer of the spec's fake to an ask, as JSON in the arena. -1 with err when the fake raised. */
int kit_answer(struct kit *kit, struct str ask, struct arena *arena, struct str *answer, struct err *err);
