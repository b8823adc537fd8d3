#include "bind/scope.h"

#include <lauxlib.h>

struct handle {
    struct list link;
    void *p;
};

struct scope *scope_of(lua_State *L, const char *what)
{
    struct task *task = task_of(L);
    if (task == NULL)
        luaL_error(L, "%s works only while a request is served, not while the file loads", what);
    return task->owner;
}

void scope_push(lua_State *L, struct scope *scope, void *p, const char *metatable)
{
    struct handle *h = lua_newuserdata(L, sizeof *h);
    list_init(&h->link);
    h->p = p;
    luaL_getmetatable(L, metatable);
    lua_setmetatable(L, -2);
    list_push(&scope->handles, &h->link);
}

void *scope_check(lua_State *L, int index, const char *metatable)
{
    struct handle *h = luaL_checkudata(L, index, metatable);
    if (h->p == NULL)
        luaL_error(L, "this %s belongs to a request that has ended", metatable);
    return h->p;
}

int scope_handle_gc(lua_State *L)
{
    struct handle *h = lua_touserdata(L, 1);
    list_remove(&h->link);
    return 0;
}

void scope_close(struct scope *scope)
{
    LIST_EACH(it, &scope->handles) {
        LIST_ENTRY(it, struct handle, link)->p = NULL;
        list_remove(it);
    }
}
