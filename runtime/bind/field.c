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

const char *const METATABLE_NAMES[VM_METATABLES] = {"req", "model", "reply"};

void field_open(lua_State *L, enum metatable m, lua_CFunction index, lua_CFunction tostring)
{
    struct vm_metatable *known = &vm_of(L)->metatables[m];
    field_metatable(L, METATABLE_NAMES[m], index, tostring);
    known->p = lua_topointer(L, -1);
    lua_pushvalue(L, -1);
    known->ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void field_set(lua_State *L, enum metatable m)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->metatables[m].ref);
    lua_setmetatable(L, -2);
}

void *field_tested(lua_State *L, int index, enum metatable m)
{
    void *p = lua_touserdata(L, index);
    if (p == NULL || !lua_getmetatable(L, index))
        return NULL;
    bool is_same = lua_topointer(L, -1) == vm_of(L)->metatables[m].p;
    lua_pop(L, 1);
    return is_same ? p : NULL;
}

void *field_checked(lua_State *L, int index, enum metatable m)
{
    void *p = field_tested(L, index, m);
    if (p == NULL)
        luaL_typerror(L, index, METATABLE_NAMES[m]);
    return p;
}
