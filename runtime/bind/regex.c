#include "bind/regex.h"

#include <lauxlib.h>
#include <stdbool.h>

#include "base/search.h"
#include "bind/ask.h"
#include "bind/field.h"
#include "bind/file.h"
#include "vm/guard.h"

enum { MAX_SET = 64 };

#define REGEX_METATABLE "regex"
#define SET_METATABLE "regex set"

struct regex {
    struct search *search;
};

static int over_limit(lua_State *L)
{
    struct err err = {0};
    err_set(&err, ERR_LIMIT, "the regex takes too many steps on this text");
    return ask_fail(L, &err, 0);
}

static const struct regex *regex_at(lua_State *L, const char *method)
{
    if (!lua_isuserdata(L, 1))
        luaL_error(L, "call it as re:%s(text), with a colon", method);
    return luaL_checkudata(L, 1, REGEX_METATABLE);
}

static struct str text_at(lua_State *L, int index)
{
    struct str text;
    text.p = luaL_checklstring(L, index, &text.len);
    return text;
}

/* Where the optional `init` at `index` begins; past the end when there is nothing to look at. */
static size_t start_at(lua_State *L, int index, struct str text)
{
    lua_Number init = luaL_optnumber(L, index, 1);
    if (init < 0)
        init = (lua_Number)text.len + init + 1;
    size_t at = init <= 1 ? 0 : init > (lua_Number)text.len + 1 ? text.len + 1 : (size_t)init - 1;
    while (at < text.len && ((unsigned char)text.p[at] & 0xc0) == 0x80)
        at++;
    return at;
}

/* re:test(text) → boolean. */
static int test(lua_State *L)
{
    const struct regex *r = regex_at(L, "test");
    enum search_verdict verdict = search_text(r->search, text_at(L, 2), 0);
    if (verdict == SEARCH_OVER)
        return over_limit(L);
    lua_pushboolean(L, verdict == SEARCH_FOUND);
    return 1;
}

static void push_group(lua_State *L, struct str text, int i)
{
    const size_t *at = search_found() + 2 * i;
    if (at[0] == (size_t)-1)
        lua_pushnil(L);
    else
        lua_pushlstring(L, text.p + at[0], at[1] > at[0] ? at[1] - at[0] : 0);
}

/* Searches the second argument from the third on. False: `pushed` says how many results that is. */
static bool is_found(lua_State *L, const struct regex *r, struct str *text, int *pushed)
{
    *text = text_at(L, 2);
    size_t at = start_at(L, 3, *text);
    enum search_verdict verdict = at > text->len ? SEARCH_NONE : search_text(r->search, *text, at);
    if (verdict == SEARCH_FOUND)
        return true;
    *pushed = 1;
    if (verdict == SEARCH_OVER)
        *pushed = over_limit(L);
    else
        lua_pushnil(L);
    return false;
}

/* re:match(text, init) → the captures, or the whole match when the pattern has none; nil. */
static int match(lua_State *L)
{
    const struct regex *r = regex_at(L, "match");
    struct str text;
    int pushed, groups = search_groups(r->search);
    if (!is_found(L, r, &text, &pushed))
        return pushed;
    luaL_checkstack(L, SEARCH_MAX_GROUPS, "captures");
    if (groups == 0)
        push_group(L, text, 0);
    for (int i = 1; i <= groups; i++)
        push_group(L, text, i);
    return groups ? groups : 1;
}

/* re:find(text, init) → first and last byte, as string.find; nil. */
static int find(lua_State *L)
{
    struct str text;
    int pushed;
    if (!is_found(L, regex_at(L, "find"), &text, &pushed))
        return pushed;
    const size_t *where = search_found();
    lua_pushnumber(L, (lua_Number)where[0] + 1);
    lua_pushnumber(L, (lua_Number)where[1]);
    return 2;
}

/* set:match(text) → the name of the first regex, in the order of their names, that matches; nil. The members are in its environment. */
static int match_set(lua_State *L)
{
    if (!lua_isuserdata(L, 1))
        return luaL_error(L, "call it as set:match(text), with a colon");
    int count = *(int *)luaL_checkudata(L, 1, SET_METATABLE);
    struct str text = text_at(L, 2);
    lua_getfenv(L, 1);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, 2 * i);
        const struct regex *r = lua_touserdata(L, -1);
        enum search_verdict verdict = search_text(r->search, text, 0);
        if (verdict == SEARCH_OVER || (verdict == SEARCH_NONE && guard_is_over()))
            return over_limit(L);
        lua_pop(L, 1);
        if (verdict == SEARCH_FOUND) {
            lua_rawgeti(L, -1, 2 * i - 1);
            return 1;
        }
    }
    lua_pushnil(L);
    return 1;
}

/* Compiles the pattern at `index` and leaves the regex on the stack. */
static void compile(lua_State *L, int index)
{
    struct str pattern = text_at(L, index);
    struct err err;
    struct regex *r = lua_newuserdata(L, sizeof *r);
    r->search = NULL;
    luaL_getmetatable(L, REGEX_METATABLE);
    lua_setmetatable(L, -2);
    r->search = search_new(pattern, &err);
    if (r->search == NULL)
        luaL_error(L, "wye.re: %s", err.message);
}

/* The names among the keys of the table at 1, sorted, as the odd items of a new table on top. */
static int push_names(lua_State *L)
{
    const char *names[MAX_SET];
    int count = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "wye.re: a set is a table of patterns by name, as { code = \"```\" }");
        if (count == MAX_SET)
            luaL_error(L, "wye.re: a set has at most %d patterns", MAX_SET);
        const char *name = lua_tostring(L, -2);
        int i = count++;
        for (; i > 0 && strcmp(name, names[i - 1]) < 0; i--)
            names[i] = names[i - 1];
        names[i] = name;
    }
    lua_createtable(L, 2 * count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, 2 * i + 1);
    }
    return count;
}

static int new_set(lua_State *L)
{
    int count = push_names(L);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, 2, 2 * i - 1);
        lua_rawget(L, 1);
        compile(L, 3);
        lua_rawseti(L, 2, 2 * i);
        lua_settop(L, 2);
    }
    *(int *)lua_newuserdata(L, sizeof(int)) = count;
    lua_insert(L, 2);
    lua_setfenv(L, 2);
    luaL_getmetatable(L, SET_METATABLE);
    lua_setmetatable(L, -2);
    return 1;
}

int regex_new(lua_State *L)
{
    file_loading(L, "wye.re");
    lua_settop(L, 1);
    if (lua_istable(L, 1))
        return new_set(L);
    compile(L, 1);
    return 1;
}

static int collect(lua_State *L)
{
    struct regex *r = luaL_checkudata(L, 1, REGEX_METATABLE);
    search_free(r->search);
    r->search = NULL;
    return 0;
}

static int read_field(lua_State *L)
{
    static const char *const NAMES[] = {"match", "test", "find"};
    static const lua_CFunction METHODS[] = {match, test, find};
    lua_pushcfunction(L, METHODS[field_check(L, 2, REGEX_METATABLE, NAMES, 3)]);
    return 1;
}

static int read_set_field(lua_State *L)
{
    static const char *const NAMES[] = {"match"};
    field_check(L, 2, SET_METATABLE, NAMES, 1);
    lua_pushcfunction(L, match_set);
    return 1;
}

void regex_register(lua_State *L)
{
    field_metatable(L, REGEX_METATABLE, read_field, NULL);
    field_function(L, "__gc", collect);
    lua_pop(L, 1);
    field_metatable(L, SET_METATABLE, read_set_field, NULL);
    lua_pop(L, 1);
}
