#include "vm/sandbox.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/log.h"
#include "vm/guard.h"
#include "vm/require.h"
#include "vm/sort.h"
#include "vm/state.h"
#include "vm/strings.h"
#include "vm/task.h"

enum { LONGEST_LINE = 1024, MOST_NAMES = 256 };

static const char *const BASE[] = {
    "_VERSION", "assert",   "error",    "getmetatable", "ipairs", "next",
    "pairs",    "pcall",    "rawequal", "rawget",       "select", "setmetatable",
    "tonumber", "tostring", "type",     "unpack",       NULL};

static const char *const ABSENT[][2] = {
    {"os", "for the time use wye.now"},
    {"io", "files are read with wye.prompt and wye.schema"},
    {"load", "code is loaded with require only"},
    {"loadstring", "code is loaded with require only"},
    {"loadfile", "code is loaded with require only"},
    {"dofile", "code is loaded with require only"},
    {"module", "return a table at the end of the file"},
    {"package", "require looks into the project's folder only"},
    {"debug", "wye why shows where a request went"},
    {"ffi", "routes are plain Lua"},
    {"jit", "routes are plain Lua"},
    {"newproxy", "use a table"},
    {"getfenv", "globals are read-only"},
    {"setfenv", "globals are read-only"},
    {"_G", "globals are read-only"},
    {"collectgarbage", "memory is collected by itself"},
};

/* Raises for `key`, which the table at `index` (with string keys) does not have. */
static int raise_unknown(lua_State *L, int index, const char *what, const char *key, const char *of)
{
    const char *names[MOST_NAMES];
    int count = 0;
    for (lua_pushnil(L); count < MOST_NAMES && lua_next(L, index); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && strncmp(lua_tostring(L, -2), "__", 2) != 0)
            names[count++] = lua_tostring(L, -2);
    const char *near = vm_near(key, names, count);
    if (near)
        return luaL_error(L, "unknown %s '%s'%s (did you mean '%s'?)", what, key, of, near);
    return luaL_error(L, "unknown %s '%s'%s", what, key, of);
}

const char *sandbox_instead(const char *name)
{
    for (size_t i = 0; i < sizeof ABSENT / sizeof *ABSENT; i++)
        if (strcmp(ABSENT[i][0], name) == 0)
            return ABSENT[i][1];
    return NULL;
}

/* __index of the table of globals itself: reached when a name is in neither. */
static int unknown_global(lua_State *L)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    const char *instead = sandbox_instead(key);
    if (instead)
        return luaL_error(L, "'%s' does not exist here: %s", key, instead);
    return raise_unknown(L, 1, "global", key, "");
}

static int no_globals(lua_State *L)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    return luaL_error(L, "globals are read-only: use local (local %s = …)", key);
}

static int read_only(lua_State *L)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    return luaL_error(L, "cannot set '%s': the table is read-only", key);
}

static int unknown_field(lua_State *L)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    lua_settop(L, 2);
    lua_pushfstring(L, " of %s", lua_tostring(L, lua_upvalueindex(1)));
    return raise_unknown(L, 1, "field", key, lua_tostring(L, -1));
}

static int math_field(lua_State *L)
{
    const char *key = lua_tostring(L, 2);
    if (key && (strcmp(key, "random") == 0 || strcmp(key, "randomseed") == 0))
        return luaL_error(L, "math.%s does not exist here: use wye.random, which replay repeats",
                          key);
    return 0;
}

/* The table on top gets a metatable with this one field. */
static void set_meta(lua_State *L, const char *field, lua_CFunction f)
{
    lua_newtable(L);
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, field);
    lua_setmetatable(L, -2);
}

void vm_lock(lua_State *L, const char *name)
{
    if (name) {
        lua_newtable(L);
        lua_pushstring(L, name);
        lua_pushcclosure(L, unknown_field, 1);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, -2);
    }
    lua_newtable(L);
    lua_newtable(L);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, read_only);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* rawset and its like pass metatables by: they refuse tables whose metatable is locked. */
static void refuse_locked(lua_State *L, int index)
{
    if (lua_istable(L, index) && luaL_getmetafield(L, index, "__metatable"))
        luaL_error(L, "the table is read-only");
}

static int raw_set(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    refuse_locked(L, 1);
    lua_rawset(L, 1);
    return 1;
}

/* table.insert, remove and move (whose fifth argument is written to); upvalue 1 is Lua's own. */
static int unless_locked(lua_State *L)
{
    refuse_locked(L, 1);
    refuse_locked(L, 5);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static void append(char *line, size_t *len, const char *text, size_t n)
{
    for (size_t i = 0; i < n && *len < LONGEST_LINE - 1; i++)
        line[(*len)++] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
}

static const char *text_of(lua_State *L, int index, size_t *len)
{
    if (luaL_callmeta(L, index, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
        return lua_tolstring(L, -1, len);
    if (lua_type(L, index) == LUA_TSTRING || lua_type(L, index) == LUA_TNUMBER)
        lua_pushvalue(L, index);
    else if (lua_type(L, index) == LUA_TBOOLEAN)
        lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
    else
        lua_pushstring(L, luaL_typename(L, index));
    return lua_tolstring(L, -1, len);
}

/* One line of the log, cut at LONGEST_LINE, with the place of the call. */
static int print(lua_State *L)
{
    char line[LONGEST_LINE];
    size_t used = 0;
    int count = lua_gettop(L);
    for (int i = 1; i <= count; i++) {
        size_t len;
        const char *text = text_of(L, i, &len);
        if (i > 1)
            append(line, &used, " ", 1);
        append(line, &used, text, len);
        lua_settop(L, count);
    }
    luaL_where(L, 1);
    log_info("%s%.*s", lua_tostring(L, -1), (int)used, line);
    return 0;
}

/* `return EXPR` calls this: see lines.h. */
static int at(lua_State *L)
{
    vm_of(L)->last_return = (int)lua_tointeger(L, 1);
    return lua_gettop(L) - 1;
}

/* What xpcall calls instead of the script's handler (upvalue 1). */
static int quiet_handler(lua_State *L)
{
    if (guard_is_over() || vm_of(L)->is_over)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int quiet(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    lua_pushcclosure(L, quiet_handler, 1);
    return 1;
}

static int check_depth(lua_State *L)
{
    vm_check_depth(L);
    return 0;
}

/* In Lua, so that a route may wait inside xpcall, and a coroutine yield through resume. */
static const char IN_LUA[] =
    "local xpcall, resume, wrap, quiet, check_depth = ...\n"
    "return function(f)\n"
    "    local go = wrap(f)\n"
    "    return function(...) check_depth() return go(...) end\n"
    "  end,\n"
    "  function(co, ...) check_depth() return resume(co, ...) end,\n"
    "  function(f, handler, ...) return xpcall(f, quiet(handler), ...) end\n";

/* Pushes coroutine.wrap, coroutine.resume and xpcall. */
static void push_in_lua(lua_State *L)
{
    if (luaL_loadbuffer(L, IN_LUA, sizeof IN_LUA - 1, "=wye") != 0)
        lua_error(L);
    lua_getglobal(L, "xpcall");
    lua_getglobal(L, "coroutine");
    lua_getfield(L, -1, "resume");
    lua_getfield(L, -2, "wrap");
    lua_remove(L, -3);
    lua_pushcfunction(L, quiet);
    lua_pushcfunction(L, check_depth);
    lua_call(L, 5, 3);
}

static void open_library(lua_State *L, lua_CFunction open, const char *name)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

/* Pushes a copy of the stock library `name`. */
static void push_copy(lua_State *L, const char *name)
{
    lua_newtable(L);
    lua_getglobal(L, name);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -5);
    }
    lua_pop(L, 1);
}

static void set_function(lua_State *L, const char *name, lua_CFunction f)
{
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, name);
}

static void remove_function(lua_State *L, const char *name)
{
    lua_pushnil(L);
    lua_setfield(L, -2, name);
}

static void wrap_function(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, unless_locked, 1);
    lua_setfield(L, -2, name);
}

/* Strings' own metatable leads to the library itself: s:find() takes no detour. */
static void lock_strings(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

/* With the table of globals on top. */
static void add_library(lua_State *L, const char *name)
{
    vm_lock(L, NULL);
    lua_setfield(L, -2, name);
}

static void add_libraries(lua_State *L)
{
    push_copy(L, "string");
    strings_open(L);
    remove_function(L, "dump");
    lock_strings(L);
    add_library(L, "string");

    push_copy(L, "table");
    set_function(L, "sort", sort_table);
    wrap_function(L, "insert");
    wrap_function(L, "remove");
    wrap_function(L, "move");
    add_library(L, "table");

    push_copy(L, "math");
    remove_function(L, "random");
    remove_function(L, "randomseed");
    set_meta(L, "__index", math_field);
    add_library(L, "math");

    push_in_lua(L);
    lua_setfield(L, -4, "xpcall");
    push_copy(L, "coroutine");
    lua_insert(L, -3);
    lua_setfield(L, -3, "resume");
    lua_setfield(L, -2, "wrap");
    set_function(L, "yield", task_yield);
    set_function(L, "running", task_running);
    add_library(L, "coroutine");

    push_copy(L, "bit");
    add_library(L, "bit");
}

static void add_base(lua_State *L)
{
    for (int i = 0; BASE[i]; i++) {
        lua_getglobal(L, BASE[i]);
        lua_setfield(L, -2, BASE[i]);
    }
    set_function(L, "rawset", raw_set);
    set_function(L, "print", print);
    set_function(L, "require", require_call);
    set_function(L, "__at", at);
}

void sandbox_open(lua_State *L, struct vm *vm)
{
    open_library(L, luaopen_base, "");
    open_library(L, luaopen_table, LUA_TABLIBNAME);
    open_library(L, luaopen_string, LUA_STRLIBNAME);
    open_library(L, luaopen_math, LUA_MATHLIBNAME);
    open_library(L, luaopen_bit, LUA_BITLIBNAME);

    lua_newtable(L); /* the globals */
    add_base(L);
    add_libraries(L);
    set_meta(L, "__index", unknown_global);

    lua_newtable(L); /* what chunks see */
    lua_newtable(L);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, no_globals);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    vm->env = luaL_ref(L, LUA_REGISTRYINDEX);
    vm->globals = luaL_ref(L, LUA_REGISTRYINDEX);

    lua_newtable(L); /* nothing that C code creates later sees the stock globals */
    lua_replace(L, LUA_GLOBALSINDEX);
}
