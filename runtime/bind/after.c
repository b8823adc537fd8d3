#include "bind/after.h"

#include <lauxlib.h>

#include "vm/state.h"

static const struct outcome *running;

const struct outcome *after_outcome(void)
{
    return running;
}

struct call {
    int ref;
    const struct outcome *outcome;
};

static void set_string(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static int call_protected(lua_State *L)
{
    const struct call *c = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_createtable(L, 0, 6);
    set_string(L, "id", c->outcome->id);
    set_string(L, "served", c->outcome->served);
    set_string(L, "cause", c->outcome->cause);
    set_number(L, "status", c->outcome->status);
    set_number(L, "usd", c->outcome->usd);
    set_number(L, "ms", c->outcome->ms);
    lua_call(L, 1, 0);
    return 0;
}

int after_run(struct vm *vm, int ref, const struct outcome *outcome, struct err *err)
{
    struct call call = {ref, outcome};
    lua_pushcfunction(vm->L, call_protected);
    lua_pushlightuserdata(vm->L, &call);
    running = outcome;
    int result = vm_call(vm, 1, 0, err);
    running = NULL;
    return result;
}
