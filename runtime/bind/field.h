/* field: unknown fields on host objects are errors with a suggestion, never a silent nil. */
#pragma once

#include <lua.h>

/* The key at `index` as one of the NUL-terminated `names`: its position; raises "unknown field 'x' of OBJECT (did you mean 'y'?)". */
int field_check(lua_State *L, int index, const char *object, const char *const *names, int count);

/* Pushes the C function `f` and stores it as `name` in the table on top. */
void field_function(lua_State *L, const char *name, lua_CFunction f);

/* Opens a metatable of that name (left on top): __index, __tostring where given, __newindex that raises, __metatable locked. */
void field_metatable(lua_State *L, const char *name, lua_CFunction index, lua_CFunction tostring);
