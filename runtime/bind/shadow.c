#include "bind/shadow.h"

#include <lauxlib.h>

#include "bind/option.h"
#include "bind/req.h"
#include "bind/scope.h"

int shadow_add(lua_State *L)
{
    static const char *const OPTIONS[] = {"rate"};
    double rate = 1;
    lua_settop(L, 3);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct scope *scope = req_check(L, 2);
    option_check(L, 3, "wye.shadow's options", OPTIONS, 1);
    option_number(L, 3, "wye.shadow", "rate", 0, 1, &rate);
    if (scope->host->shadow == NULL || !scope->host->takes_shadow(scope, rate))
        return 0;
    struct str where = scope_where(L);
    lua_pushvalue(L, 1);
    scope->host->shadow(scope, luaL_ref(L, LUA_REGISTRYINDEX), where);
    return 0;
}

void shadow_forget(struct vm *vm, int rule)
{
    luaL_unref(vm->L, LUA_REGISTRYINDEX, rule);
}
