#include "bind/field.h"

#include <lauxlib.h>
#include <string.h>

#include "vm/state.h"

int field_check(lua_State *L, int index, const char *object, const char *const *names, int count)
{
    const char *key = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;
    if (key == NULL)
        return luaL_error(L, "%s has no field of type %s", object, luaL_typename(L, index));
    for (int i = 0; i < count; i++)
        if (*names[i] == *key && strcmp(names[i], key) == 0)
            return i;
    const char *near = vm_near(key, names, count);
    if (near)
        return luaL_error(L, "unknown field '%s' of %s (did you mean '%s'?)", key, object, near);
    return luaL_error(L, "unknown field '%s' of %s", key, object);
}

void field_function(lua_State *L, const char *name, lua_CFunction f)
{
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, name);
}

static int refuse_write(lua_State *L)
{
    return luaL_error(L, "%s is read-only", lua_tostring(L, lua_upvalueindex(1)));
}

void field_metatable(lua_State *L, const char *name, lua_CFunction index, lua_CFunction tostring)
{
    luaL_newmetatable(L, name);
    field_function(L, "__index", index);
    if (tostring)
        field_function(L, "__tostring", tostring);
    lua_pushstring(L, name);
    lua_pushcclosure(L, refuse_write, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__metatable");
}
