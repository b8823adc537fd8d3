/* field: unknown fields on host objects are errors with a suggestion, never a silent nil. */
#pragma once

#include <lua.h>

/* The key at `index` as one of the NUL-terminated `names`: its position; raises "unknown field 'x' of OBJECT (did you mean 'y'?)". */
int field_check(lua_State *L, int index, const char *object, const char *const *names, int count);

/* Pushes the C function `f` and stores it as `name` in the table on top. */
void field_function(lua_State *L, const char *name, lua_CFunction f);

/* The objects that every request meets: their metatables are found by number. The names say what they are. */
enum metatable { METATABLE_REQ, METATABLE_MODEL, METATABLE_REPLY };
extern const char *const METATABLE_NAMES[];

/* field_metatable for one of these. */
void field_open(lua_State *L, enum metatable m, lua_CFunction index, lua_CFunction tostring);

/* Gives the userdata on top of the stack that metatable. */
void field_set(lua_State *L, enum metatable m);

/* The userdata at `index` when it has that metatable; else NULL, or field_checked raises. */
void *field_tested(lua_State *L, int index, enum metatable m);
void *field_checked(lua_State *L, int index, enum metatable m);

/* Opens a metatable of that name (left on top): __index, __tostring where given, __newindex that raises, __metatable locked. */
void field_metatable(lua_State *L, const char *name, lua_CFunction index, lua_CFunction tostring);
