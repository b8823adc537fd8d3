#include "bind/analysis.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "bind/adapters.h"

struct analysis {
    lua_State *L;
    int object; /* registry */
};

struct opening {
    struct analysis *a;
    const char *module;
    struct str options;
};

static int open_module(lua_State *L)
{
    struct opening *o = lua_touserdata(L, 1);
    luaL_openlibs(L);
    adapters_register(L);
    lua_getglobal(L, "require");
    lua_pushstring(L, o->module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "new");
    lua_pushlstring(L, o->options.p, o->options.len);
    lua_call(L, 1, 1);
    o->a->object = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int say(lua_State *L, struct err *err)
{
    const char *words = lua_tostring(L, -1);
    err_set(err, ERR_BAD_REQUEST, "%s", words ? words : "the statistics failed");
    lua_pop(L, 1);
    return -1;
}

struct analysis *analysis_open(const char *module, struct str options, struct err *err)
{
    struct analysis *a = xcalloc(1, sizeof *a);
    struct opening o = {a, module, options};
    a->L = luaL_newstate();
    if (a->L && lua_cpcall(a->L, open_module, &o) == 0)
        return a;
    if (a->L)
        say(a->L, err);
    else
        err_set(err, ERR_SYSTEM, "no memory for the statistics");
    analysis_close(a);
    return NULL;
}

void analysis_close(struct analysis *a)
{
    if (a->L)
        lua_close(a->L);
    free(a);
}

struct call {
    struct analysis *a;
    const char *method;
    struct str text;
    struct buf *out;
};

static int call_method(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);
    size_t len;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->a->object);
    lua_getfield(L, -1, c->method);
    lua_insert(L, -2);
    lua_pushlstring(L, c->text.p ? c->text.p : "", c->text.len);
    lua_call(L, 2, 1);
    const char *text = lua_tolstring(L, -1, &len);
    if (c->out && text && buf_append(c->out, text, len) < 0)
        return luaL_error(L, "the report is too long");
    return 0;
}

int analysis_call(struct analysis *a, const char *method, struct str text, struct buf *out, struct err *err)
{
    struct call c = {a, method, text, out};
    return lua_cpcall(a->L, call_method, &c) == 0 ? 0 : say(a->L, err);
}
