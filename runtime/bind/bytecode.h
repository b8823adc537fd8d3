/*
 * bytecode: a checksum of compiled Lua without what says where it stood: no line numbers, no names of files and locals.
 *
 * Reads what LuaJIT 2.1's lua_dump writes (lj_bcdump.h describes it). Constant tables count whatever the order of their keys, which differs from state to state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Of the functions that lie within those lines (0 and INT_MAX: all, the file's own chunk too). False when the dump is not what it should be. */
bool bytecode_checksum(struct str dump, int first_line, int last_line, uint64_t *sum);
