/* chance: wye.now and wye.random, the two things that a route may take from outside its request. */
#pragma once

#include <lua.h>

struct scope;

/* wye.now() → seconds since 1970, with microseconds. */
int chance_now(lua_State *L);

/* wye.random() → [0, 1); wye.random(m) → 1 to m; wye.random(m, n) → m to n. */
int chance_random(lua_State *L);

/* The next number of the request, in [0, 1): what wye.random() gives. */
double chance_next(struct scope *scope);
