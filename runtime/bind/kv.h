/*
 * kv: wye.kv, a small store that all workers share and that outlives reloads and workers: get, set, add, expire, delete.
 *
 * It is a cache: bounded (limits.kv_mb), the longest unused goes first. Where the host has no shared one (check, specs), one of this process stands in.
 */
#pragma once

#include <lua.h>

void kv_register(lua_State *L);

/* Pushes the table of functions. */
void kv_push(lua_State *L);
