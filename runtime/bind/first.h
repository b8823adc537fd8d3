/*
 * first: wye.first(models, req, opts) → the first whole answer, or nil and the last error.
 *
 * The first model is asked; each time that opts.hedge seconds pass without an answer, and when all asked so far have failed, so is the next.
 * The first to answer wins, the others are stopped at once. opts.timeout holds for the whole.
 */
#pragma once

#include <lua.h>

int first_answer(lua_State *L);
