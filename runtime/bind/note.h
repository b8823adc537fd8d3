/* note: wye.note(text, data): a line of the decision's story, written to the trace as it happens. */
#pragma once

#include <lua.h>

int note_add(lua_State *L);
