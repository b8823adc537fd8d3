/*
 * strings: string.find, match, gmatch and gsub over pattern.h, for the sandbox.
 *
 * As Lua's own, but bounded: a match that takes too many steps raises, and a call inside a request ends
 * when its time is over. Malformed patterns raise even where matching would not come to the bad place.
 */
#pragma once

#include <lua.h>

/* Sets the four in the table on top of the stack. */
void strings_open(lua_State *L);
