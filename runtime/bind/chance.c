#include "bind/chance.h"

#include <lauxlib.h>
#include <math.h>

#include "base/clock.h"
#include "bind/tape.h"

/* The request's own numbers: SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"). */
double chance_next(struct scope *scope)
{
    uint64_t z = scope->seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

int chance_now(lua_State *L)
{
    struct task *task = task_of(L); /* none while a file loads */
    uint64_t us = task ? tape_number(task->owner, TAPE_NOW, clock_wall_us) : clock_wall_us();
    lua_pushnumber(L, (lua_Number)us / 1e6);
    return 1;
}

static double check_bound(lua_State *L, int index)
{
    double n = luaL_checknumber(L, index);
    if (!(fabs(n) <= 4503599627370496.0) || n != floor(n))
        luaL_argerror(L, index, "a whole number up to 2^52 is needed");
    return n;
}

int chance_random(lua_State *L)
{
    double share = chance_next(scope_of(L, "wye.random"));
    int count = lua_gettop(L);
    if (count == 0) {
        lua_pushnumber(L, share);
        return 1;
    }
    double least = count > 1 ? check_bound(L, 1) : 1, most = check_bound(L, count > 1 ? 2 : 1);
    luaL_argcheck(L, least <= most, count > 1 ? 2 : 1, "the interval is empty");
    lua_pushnumber(L, least + floor(share * (most - least + 1)));
    return 1;
}
