/* codec: wye.json, JSON as text to Lua values and back (tree.h says how they correspond). */
#pragma once

#include <lua.h>

/* Pushes the table { decode, encode }. */
void codec_open(lua_State *L);
