#include "vm/datafile.h"

#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <math.h>

#include "base/json.h"

enum { MOST_INSTRUCTIONS = 100 * 1000 * 1000, DEEPEST = 32 };

struct job {
    const char *path;
    struct buf *out;
};

static void write_value(lua_State *L, struct buf *out, int depth);

static void put(lua_State *L, int result)
{
    if (result < 0)
        luaL_error(L, "the table is larger than a script may be");
}

static struct str text_at(lua_State *L, int index)
{
    size_t len;
    const char *p = lua_tolstring(L, index, &len);
    return str_n(p, len);
}

static void write_array(lua_State *L, struct buf *out, int depth)
{
    int table = lua_gettop(L), count = (int)lua_objlen(L, table);
    for (int i = 1; i <= count; i++) {
        put(L, buf_putc(out, i == 1 ? '[' : ','));
        lua_rawgeti(L, table, i);
        write_value(L, out, depth + 1);
        lua_pop(L, 1);
    }
    put(L, buf_putc(out, ']'));
}

static void write_object(lua_State *L, struct buf *out, int depth)
{
    int table = lua_gettop(L);
    const char *before = "{";
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "a key is a %s; names are strings", luaL_typename(L, -2));
        put(L, buf_puts(out, before));
        put(L, json_quote(out, text_at(L, -2)));
        put(L, buf_putc(out, ':'));
        write_value(L, out, depth + 1);
        before = ",";
    }
    put(L, buf_puts(out, *before == '{' ? "{}" : "}"));
}

static void write_number(lua_State *L, struct buf *out)
{
    double n = lua_tonumber(L, -1);
    if (!isfinite(n))
        luaL_error(L, "a number is not finite");
    put(L, buf_printf(out, "%.17g", n));
}

/* The value on top of the stack. */
static void write_value(lua_State *L, struct buf *out, int depth)
{
    luaL_checkstack(L, 8, "too deep");
    if (depth > DEEPEST)
        luaL_error(L, "tables are nested more than %d deep", DEEPEST);
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        put(L, json_quote(out, text_at(L, -1)));
        break;
    case LUA_TNUMBER:
        write_number(L, out);
        break;
    case LUA_TBOOLEAN:
        put(L, buf_puts(out, lua_toboolean(L, -1) ? "true" : "false"));
        break;
    case LUA_TTABLE:
        if (lua_objlen(L, -1) > 0)
            write_array(L, out, depth);
        else
            write_object(L, out, depth);
        break;
    default:
        luaL_error(L, "a value is a %s; write text, numbers, true, false and tables",
                   luaL_typename(L, -1));
    }
}

static void out_of_time(lua_State *L, lua_Debug *at)
{
    (void)at;
    luaL_error(L, "the file runs for too long");
}

static void open_library(lua_State *L, const char *name, lua_CFunction open)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

static int run(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);
    open_library(L, "", luaopen_base);
    open_library(L, LUA_TABLIBNAME, luaopen_table);
    open_library(L, LUA_STRLIBNAME, luaopen_string);
    open_library(L, LUA_MATHLIBNAME, luaopen_math);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* compiled code calls no hook */
    lua_sethook(L, out_of_time, LUA_MASKCOUNT, MOST_INSTRUCTIONS);
    if (luaL_loadfilex(L, job->path, "t") != 0)
        return lua_error(L);
    lua_call(L, 0, 1);
    if (!lua_istable(L, -1))
        return luaL_error(L, "%s: the file returns a %s; it must return a table", job->path,
                          luaL_typename(L, -1));
    write_value(L, job->out, 0);
    return 0;
}

int datafile_json(const char *path, struct buf *out, struct err *err)
{
    lua_State *L = luaL_newstate();
    if (!L)
        return err_set(err, ERR_SYSTEM, "no memory for a Lua state");
    struct job job = {path, out};
    int result = 0;
    if (lua_cpcall(L, run, &job) != 0) {
        const char *message = lua_tostring(L, -1);
        result = err_set(err, ERR_SCRIPT, "%s",
                         message ? message : "the file raised something that is no text");
    }
    lua_close(L);
    return result;
}
