/* model: what wye.model returns: a handle on a configured model that a route asks or returns. */
#pragma once

#include <lua.h>

#include "vm/config.h"

void model_register(lua_State *L);

/* wye.model "provider/id": raises with near names when the configuration has no such model. */
int model_new(lua_State *L);

/* The model at `index`, or NULL when the value is something else. Raises for one that a request derived which has ended. */
const struct model *model_at(lua_State *L, int index);

/* The same when the model lives as long as its generation, else NULL. Never raises. */
const struct model *model_lasting(lua_State *L, int index);
