#include "bind/tree.h"

#include <lauxlib.h>
#include <math.h>

#include "base/json.h"

#define ARRAY_METATABLE "array"

enum { MAX_WRITE_DEPTH = 32 };

static void push_string(lua_State *L, struct str value, struct arena *arena)
{
    struct str text = json_plain(value);
    if (text.p == NULL)
        text = json_text(value, arena);
    lua_pushlstring(L, text.p ? text.p : "", text.len);
}

static void push_number(lua_State *L, struct str value)
{
    double number = 0;
    json_number(value, &number);
    bool is_integer = memchr(value.p, '.', value.len) == NULL && memchr(value.p, 'e', value.len) == NULL &&
                      memchr(value.p, 'E', value.len) == NULL;
    if (fabs(number) > 9007199254740992.0 && is_integer)
        lua_pushlstring(L, value.p, value.len);
    else
        lua_pushnumber(L, number);
}

static void push_members(lua_State *L, struct str value, struct arena *arena, bool is_array)
{
    luaL_checkstack(L, 4, "JSON nested too deeply");
    lua_newtable(L);
    int n = 0;
    for (struct json_walk w = json_walk(value); json_next(&w);) {
        if (is_array) {
            tree_push(L, w.value, arena);
            lua_rawseti(L, -2, ++n);
            continue;
        }
        push_string(L, str_n(w.key.p - 1, w.key.len + 2), arena); /* with its quotes */
        tree_push(L, w.value, arena);
        lua_rawset(L, -3);
    }
    if (is_array) {
        luaL_getmetatable(L, ARRAY_METATABLE);
        lua_setmetatable(L, -2);
    }
}

void tree_push(lua_State *L, struct str value, struct arena *arena)
{
    switch (json_type(value)) {
    case JSON_NONE: lua_pushnil(L); break;
    case JSON_NULL: lua_pushlightuserdata(L, NULL); break;
    case JSON_FALSE: lua_pushboolean(L, 0); break;
    case JSON_TRUE: lua_pushboolean(L, 1); break;
    case JSON_NUMBER: push_number(L, value); break;
    case JSON_STRING: push_string(L, value, arena); break;
    case JSON_ARRAY: push_members(L, value, arena, true); break;
    case JSON_OBJECT: push_members(L, value, arena, false); break;
    }
}

static int write_value(lua_State *L, int index, struct buf *out, int depth);

static bool is_array(lua_State *L, int index)
{
    if (lua_objlen(L, index) > 0)
        return true;
    if (!lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, ARRAY_METATABLE);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static int write_array(lua_State *L, int index, struct buf *out, int depth)
{
    int result = buf_putc(out, '[');
    int count = (int)lua_objlen(L, index);
    for (int i = 1; i <= count && result == 0; i++) {
        if (i > 1)
            buf_putc(out, ',');
        lua_rawgeti(L, index, i);
        result = write_value(L, lua_gettop(L), out, depth + 1);
        lua_pop(L, 1);
    }
    return result < 0 ? -1 : buf_putc(out, ']');
}

static int write_key(lua_State *L, int index, struct buf *out)
{
    lua_pushvalue(L, index); /* lua_tolstring would change a number key under lua_next */
    size_t len = 0;
    const char *text = lua_tolstring(L, -1, &len);
    int result = json_quote(out, text ? str_n(text, len) : str_of(luaL_typename(L, index)));
    lua_pop(L, 1);
    return result < 0 ? -1 : buf_putc(out, ':');
}

static int write_object(lua_State *L, int index, struct buf *out, int depth)
{
    int result = buf_putc(out, '{');
    bool is_first = true;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (!is_first)
            buf_putc(out, ',');
        is_first = false;
        result = write_key(L, lua_gettop(L) - 1, out);
        if (result == 0)
            result = write_value(L, lua_gettop(L), out, depth + 1);
        lua_pop(L, 1);
        if (result < 0) {
            lua_pop(L, 1);
            return -1;
        }
    }
    return result < 0 ? -1 : buf_putc(out, '}');
}

static int write_number(double number, struct buf *out)
{
    if (isnan(number) || isinf(number))
        return buf_puts(out, "null");
    if (number == floor(number) && fabs(number) < 1e15)
        return buf_printf(out, "%.0f", number);
    return buf_printf(out, "%.14g", number);
}

static int write_value(lua_State *L, int index, struct buf *out, int depth)
{
    if (depth > MAX_WRITE_DEPTH || !lua_checkstack(L, 8))
        return -1;
    size_t len;
    const char *text;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: return buf_puts(out, lua_toboolean(L, index) ? "true" : "false");
    case LUA_TNUMBER: return write_number(lua_tonumber(L, index), out);
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &len);
        return json_quote(out, str_n(text, len));
    case LUA_TTABLE:
        return is_array(L, index) ? write_array(L, index, out, depth) : write_object(L, index, out, depth);
    case LUA_TNIL:
    case LUA_TLIGHTUSERDATA: return buf_puts(out, "null");
    default: return buf_printf(out, "\"<%s>\"", luaL_typename(L, index));
    }
}

int tree_write(lua_State *L, int index, struct buf *out)
{
    return write_value(L, index < 0 ? lua_gettop(L) + 1 + index : index, out, 0);
}

void tree_register(lua_State *L)
{
    luaL_newmetatable(L, ARRAY_METATABLE);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
