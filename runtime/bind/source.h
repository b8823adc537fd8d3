/* source: tells whether the code of a rule is still the same: a checksum that comments, blank lines and its place in the file leave alone. */
#pragma once

#include <lua.h>
#include <stdint.h>

/*
 * Of the Lua function at `index`. One that another file gave (require) counts with the whole of that file, since its
 * helpers and constants belong to it; one written where wye.experiment is called counts by itself, with the texts, numbers, switches and models of its
 * surroundings that it uses. Compiles the file anew; raises when that fails.
 */
uint64_t source_checksum(lua_State *L, int index);
