#include "vm/sort.h"

#include <stdbool.h>

#include <lauxlib.h>

#include "vm/guard.h"
#include "vm/state.h"

enum { TABLE = 1, ORDER = 2, ONE = 3, OTHER = 4 }; /* stack slots */

/* Whether the value on top of the stack comes before the one under it. */
static bool is_before(lua_State *L)
{
    if (guard_is_over())
        luaL_error(L, "sorting takes too long");
    if (lua_isnil(L, ORDER))
        return lua_lessthan(L, -1, -2);
    lua_pushvalue(L, ORDER);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -4);
    lua_call(L, 2, 1);
    bool result = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return result;
}

/* Merges from[low, mid) and from[mid, high) into `to`; a value of the right half goes first only when it is less. */
static void merge(lua_State *L, int from, int to, int low, int mid, int high)
{
    int left = low, right = mid;
    for (int at = low; at < high; at++) {
        bool takes_right = left == mid;
        if (left < mid && right < high) {
            lua_rawgeti(L, from, left);
            lua_rawgeti(L, from, right);
            takes_right = is_before(L);
            if (!takes_right)
                lua_pop(L, 1);
            else
                lua_remove(L, -2);
        } else {
            lua_rawgeti(L, from, takes_right ? right : left);
        }
        *(takes_right ? &right : &left) += 1;
        lua_rawseti(L, to, at);
    }
}

static void copy(lua_State *L, int from, int to, int count)
{
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, from, i);
        lua_rawseti(L, to, i);
    }
}

int sort_table(lua_State *L)
{
    vm_check_depth(L);
    luaL_checktype(L, TABLE, LUA_TTABLE);
    if (!lua_isnoneornil(L, ORDER))
        luaL_checktype(L, ORDER, LUA_TFUNCTION);
    lua_settop(L, ORDER);
    int count = (int)lua_objlen(L, TABLE);
    if (count < 2)
        return 0;
    lua_createtable(L, count, 0);
    lua_createtable(L, count, 0);
    copy(L, TABLE, ONE, count);
    int from = ONE, to = OTHER;
    for (long width = 1; width < count; width *= 2) {
        for (long low = 1; low <= count; low += 2 * width) {
            long mid = low + width <= count ? low + width : count + 1L;
            long high = low + 2 * width <= count ? low + 2 * width : count + 1L;
            merge(L, from, to, (int)low, (int)mid, (int)high);
        }
        int swapped = from;
        from = to;
        to = swapped;
    }
    copy(L, from, TABLE, count);
    return 0;
}
