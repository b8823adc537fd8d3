/* validator: wye.schema, a JSON schema that a route calls on what a model answered (base/schema.h). */
#pragma once

#include <lua.h>

#include "base/schema.h"

#define VALIDATOR_METATABLE "schema"

void validator_register(lua_State *L);

/* wye.schema "schemas/x.json", or a table: only while a file loads. */
int validator_new(lua_State *L);

/* The schema at `index`, or NULL when the value is something else. */
const struct schema *validator_at(lua_State *L, int index);

/* Calls it on the value at `index`: a reply, JSON as text, or a Lua value. What is wrong with it in `why`. */
bool validator_check(lua_State *L, const struct schema *s, int index, struct err *why);
