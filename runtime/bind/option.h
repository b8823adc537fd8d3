/* option: the members of an options table, checked by name, type and range; misuse raises in words. An absent table (nil or none) has no members. */
#pragma once

#include <lua.h>
#include <stdbool.h>

#include "base/str.h"

/* Raises unless the value at `index` is nil or a table whose keys are all among `names`. */
void option_check(lua_State *L, int index, const char *what, const char *const *names, int count);

/* Each false when the member is absent. Seconds (above 0, up to 3600) become milliseconds, rounded up. */
bool option_seconds(lua_State *L, int index, const char *what, const char *name, unsigned *ms);
bool option_integer(lua_State *L, int index, const char *what, const char *name, int least, int most, int *value);
bool option_number(lua_State *L, int index, const char *what, const char *name, double least, double most, double *value);

/* The view lives as long as the table holds the string. */
bool option_text(lua_State *L, int index, const char *what, const char *name, struct str *text);
bool option_true(lua_State *L, int index, const char *name);

/* Given, and false. */
bool option_false(lua_State *L, int index, const char *name);

/* Pushes the member and returns its type: nothing is pushed for LUA_TNIL. */
int option_push(lua_State *L, int index, const char *name);
