#include "bind/scope.h"

#include <lauxlib.h>

struct handle {
    struct scope *scope;
    uint64_t serial;
    void *p;
};

struct scope *scope_of(lua_State *L, const char *what)
{
    struct task *task = task_of(L);
    if (task == NULL)
        luaL_error(L, "%s works only while a request is served, not while the file loads", what);
    return task->owner;
}

struct str scope_where(lua_State *L)
{
    luaL_where(L, 1);
    struct str where = str_of(lua_tostring(L, -1));
    if (where.len >= 2) /* Lua's ends in ": " */
        where.len -= 2;
    return where;
}

void scope_push(lua_State *L, struct scope *scope, void *p, enum metatable m)
{
    struct handle *h = lua_newuserdata(L, sizeof *h);
    *h = (struct handle){scope, scope->serial, p};
    field_set(L, m);
}

void *scope_check(lua_State *L, int index, enum metatable m)
{
    struct handle *h = field_checked(L, index, m);
    if (h->serial != h->scope->serial)
        luaL_error(L, "this %s belongs to a request that has ended", METATABLE_NAMES[m]);
    return h->p;
}

void scope_close(struct scope *scope)
{
    scope->serial++;
}
