#include "bind/option.h"

#include <lauxlib.h>
#include <math.h>

#include "bind/field.h"

enum { MAX_SECONDS = 3600 };

void option_check(lua_State *L, int index, const char *what, const char *const *names, int count)
{
    if (lua_isnoneornil(L, index))
        return;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        field_check(L, -2, what, names, count);
        lua_pop(L, 1);
    }
}

int option_push(lua_State *L, int index, const char *name)
{
    if (!lua_istable(L, index))
        return LUA_TNIL;
    lua_getfield(L, index, name);
    if (lua_isnil(L, -1))
        lua_pop(L, 1);
    else
        return lua_type(L, -1);
    return LUA_TNIL;
}

static bool number(lua_State *L, int index, const char *name, double *value)
{
    int type = option_push(L, index, name);
    if (type == LUA_TNIL)
        return false;
    *value = type == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
    lua_pop(L, 1);
    return true;
}

bool option_seconds(lua_State *L, int index, const char *what, const char *name, unsigned *ms)
{
    double seconds;
    if (!number(L, index, name, &seconds))
        return false;
    if (!(seconds > 0 && seconds <= MAX_SECONDS))
        luaL_error(L, "%s: %s must be seconds above 0 and up to %d", what, name, MAX_SECONDS);
    *ms = (unsigned)(seconds * 1000 + 0.999);
    return true;
}

bool option_integer(lua_State *L, int index, const char *what, const char *name, int least, int most, int *value)
{
    double n;
    if (!number(L, index, name, &n))
        return false;
    if (!(n >= least && n <= most && n == floor(n)))
        luaL_error(L, "%s: %s must be a whole number from %d to %d", what, name, least, most);
    *value = (int)n;
    return true;
}

bool option_number(lua_State *L, int index, const char *what, const char *name, double least, double most, double *value)
{
    if (!number(L, index, name, value))
        return false;
    if (!(*value >= least && *value <= most))
        luaL_error(L, "%s: %s must be a number from %f to %f", what, name, least, most);
    return true;
}

bool option_text(lua_State *L, int index, const char *what, const char *name, struct str *text)
{
    int type = option_push(L, index, name);
    if (type == LUA_TNIL)
        return false;
    if (type != LUA_TSTRING)
        luaL_error(L, "%s: %s must be a string, not a %s", what, name, lua_typename(L, type));
    text->p = lua_tolstring(L, -1, &text->len);
    lua_pop(L, 1);
    return true;
}

bool option_true(lua_State *L, int index, const char *name)
{
    if (option_push(L, index, name) == LUA_TNIL)
        return false;
    bool is_true = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_true;
}

bool option_false(lua_State *L, int index, const char *name)
{
    if (option_push(L, index, name) == LUA_TNIL)
        return false;
    bool is_false = !lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_false;
}
