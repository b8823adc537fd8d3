/*
 * sandbox: the environment of user code, opened by hand.
 *
 * Chunks run in an empty table whose metatable leads to the table of globals (vm->globals), so that
 * every write meets __newindex; the table itself is out of scripts' reach. Library tables are read-only
 * views (vm_lock). What Lua offers and a route must not have is absent, and says what to use instead.
 *
 * Differences from stock Lua 5.1: xpcall's handler is not called for the error that ends a runaway
 * script (hooks are off inside a handler, so a loop there could not be ended); coroutine.running gives
 * nil in the route itself; coroutine.yield works only inside the script's own coroutines.
 */
#pragma once

#include <lua.h>

struct vm;

/* Fills vm->env and vm->globals. Raises on lack of memory. */
void sandbox_open(lua_State *L, struct vm *vm);

/* What a route uses instead of a global of stock Lua that it does not have; NULL for another name. */
const char *sandbox_instead(const char *name);
