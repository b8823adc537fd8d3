#include "bind/shadow.h"

#include <lauxlib.h>
#include <string.h>

#include "bind/option.h"
#include "bind/req.h"
#include "bind/scope.h"
#include "bind/source.h"

enum { MOST_USD = 1000 };

int shadow_add(lua_State *L)
{
    static const char *const OPTIONS[] = {"rate", "answers", "usd"};
    double rate = 1;
    struct shadow_call call = {0};
    lua_settop(L, 3);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct scope *scope = req_check(L, 2);
    option_check(L, 3, "wye.shadow's options", OPTIONS, 3);
    option_number(L, 3, "wye.shadow", "rate", 0, 1, &rate);
    option_number(L, 3, "wye.shadow", "usd", 0, MOST_USD, &call.usd);
    call.answers = option_true(L, 3, "answers");
    if (scope->host->shadow == NULL || !scope->host->takes_shadow(scope, rate))
        return 0;
    call.where = scope_where(L);
    lua_pushvalue(L, 1);
    scope->host->shadow(scope, luaL_ref(L, LUA_REGISTRYINDEX), &call);
    return 0;
}

/* ---- which rule it is ---- */

static const char SUMS[] = "shadow.sums"; /* registry: by function (weak), and by the place where it is written */

static void push_sums(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, SUMS);
    if (!lua_isnil(L, -1))
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, SUMS);
}

/* Keeps the value on top under the key at `key`. */
static void keep(lua_State *L, int sums, int key)
{
    lua_pushvalue(L, key);
    lua_pushvalue(L, -2);
    lua_rawset(L, sums);
}

/* Compiling a file anew for its checksum is done once for each place, however many functions are made there. */
static void push_sum(lua_State *L, int sums, int rule)
{
    lua_Debug d;
    lua_pushvalue(L, rule);
    lua_getinfo(L, ">S", &d);
    lua_pushfstring(L, "%s:%d", d.source, d.linedefined);
    int place = lua_gettop(L);
    lua_pushvalue(L, place);
    lua_rawget(L, sums);
    if (lua_isnil(L, -1)) {
        uint64_t sum = source_checksum(L, rule);
        lua_pop(L, 1);
        lua_pushlstring(L, (const char *)&sum, sizeof sum);
        keep(L, sums, place);
    }
    keep(L, sums, rule);
}

uint64_t shadow_source(lua_State *L, int rule)
{
    uint64_t sum;
    int sums = lua_gettop(L) + 1;
    push_sums(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rule);
    lua_pushvalue(L, -1);
    lua_rawget(L, sums);
    if (lua_isnil(L, -1))
        push_sum(L, sums, sums + 1);
    memcpy(&sum, lua_tostring(L, -1), sizeof sum);
    lua_settop(L, sums - 1);
    return sum;
}

void shadow_forget(struct vm *vm, int rule)
{
    luaL_unref(vm->L, LUA_REGISTRYINDEX, rule);
}
