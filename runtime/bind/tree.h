/*
 * tree: JSON to Lua values and back, for what a route looks into (messages, tools, replies) or notes down.
 *
 * Arrays become sequences that know they are arrays, null becomes wye.null (a light userdata that is truthy), integers
 * beyond 2^53 become strings so that no digit is lost.
 */
#pragma once

#include <lua.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* Pushes the valid JSON `value`; strings with escapes are decoded in the arena. Raises only for lack of memory. */
void tree_push(lua_State *L, struct str value, struct arena *arena);

/* Appends the value at `index` as JSON. -1 at the buffer's ceiling or depth 32; functions and userdata become their tostring. */
int tree_write(lua_State *L, int index, struct buf *out);

/* Creates the array metatable; once per VM. */
void tree_register(lua_State *L);
