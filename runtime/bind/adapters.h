/*
 * adapters: the Lua of scripts/ that translates between protocols, compiled into the program.
 */
#pragma once

#include <lua.h>

/* Opens `require` of "json", "translate", "inbound.NAME" and "provider.NAME" in a trusted VM. Raises only for lack of memory. */
void adapters_register(lua_State *L);
