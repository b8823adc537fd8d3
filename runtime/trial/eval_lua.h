/*
 * eval_lua: expectations written in Lua, run in the sandbox of routes over the request and the reply that routes would see.
 *
 * Each becomes a small route that asks once, is answered with the reply at hand, and refuses with one of two statuses. The thread has its guard open.
 */
#pragma once

#include "trial/eval_results.h"
#include "vm/generation.h"

struct eval_lua;

/* Compiles the code of all sets. NULL with err: "routes/evals/x.jsonl:3: expect.lua: …". */
struct eval_lua *eval_lua_open(const char *project, const struct config *config, const struct eval_cases *sets, int count, struct err *err);
void eval_lua_close(struct eval_lua *l);

/* As eval_grade. Code that raises does not agree. */
bool eval_lua_grade(struct eval_lua *l, const struct eval_cases *set, const struct eval_case *c, const struct eval_outcome *o, char *why);
