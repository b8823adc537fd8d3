#include "bind/validator.h"

#include <lauxlib.h>

#include "base/json.h"
#include "bind/field.h"
#include "bind/file.h"
#include "bind/reply.h"
#include "bind/scope.h"
#include "bind/tree.h"

enum { MAX_VALUE = 8 << 20 };

/* Kept, so that a Lua error inside leaks nothing. */
static struct buf written = BUF(MAX_VALUE);

struct validator {
    struct schema *schema;
};

static bool has_metatable(lua_State *L, int index, const char *name)
{
    if (!lua_isuserdata(L, index) || !lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, name);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

const struct schema *validator_at(lua_State *L, int index)
{
    return has_metatable(L, index, VALIDATOR_METATABLE) ? ((struct validator *)lua_touserdata(L, index))->schema : NULL;
}

static struct str write_value(lua_State *L, int index)
{
    buf_reset(&written);
    if (tree_write(L, index, &written) < 0)
        luaL_error(L, "the value is over %d MiB as JSON or nested too deeply", MAX_VALUE >> 20);
    return buf_str(&written);
}

int validator_new(lua_State *L)
{
    file_loading(L, "wye.schema");
    const char *path = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
    struct err err;
    if (path == NULL)
        luaL_checktype(L, 1, LUA_TTABLE);
    struct validator *v = lua_newuserdata(L, sizeof *v);
    v->schema = NULL;
    luaL_getmetatable(L, VALIDATOR_METATABLE);
    lua_setmetatable(L, -2);
    v->schema = schema_new(path ? file_read(L, "wye.schema", path) : write_value(L, 1), &err);
    if (v->schema == NULL)
        return luaL_error(L, "wye.schema: %s%s%s", path ? path : "", path ? ": " : "", err.message);
    return 1;
}

/* What a reply says; other texts are JSON themselves. */
static struct str text_of(lua_State *L, int index)
{
    struct str text;
    if (field_tested(L, index, METATABLE_REPLY)) {
        struct reply *r = scope_check(L, index, METATABLE_REPLY);
        return reply_text(r, scope_of(L, "a reply")->view.arena);
    }
    text.p = lua_tolstring(L, index, &text.len);
    return text;
}

bool validator_check(lua_State *L, const struct schema *s, int index, struct err *why)
{
    struct err syntax;
    if (lua_type(L, index) != LUA_TSTRING && !field_tested(L, index, METATABLE_REPLY))
        return schema_check(s, write_value(L, index), why);
    struct str text = text_of(L, index);
    if (json_validate(text, &syntax) < 0) {
        err_set(why, ERR_MALFORMED, "no valid JSON: %s", syntax.message);
        return false;
    }
    /* Without the blanks around it. */
    return schema_check(s, json_pointer(text, ""), why);
}

/* schema(value) → true, or false and why in words. */
static int call(lua_State *L)
{
    const struct schema *s = ((struct validator *)luaL_checkudata(L, 1, VALIDATOR_METATABLE))->schema;
    struct err why = {0};
    luaL_checkany(L, 2);
    bool is_valid = !lua_isnil(L, 2) && validator_check(L, s, 2, &why);
    lua_pushboolean(L, is_valid);
    if (is_valid)
        return 1;
    lua_pushstring(L, lua_isnil(L, 2) ? "there is no value (an answer that is no JSON?)" : why.message);
    return 2;
}

static int collect(lua_State *L)
{
    struct validator *v = luaL_checkudata(L, 1, VALIDATOR_METATABLE);
    if (v->schema)
        schema_free(v->schema);
    v->schema = NULL;
    return 0;
}

static int no_fields(lua_State *L)
{
    return luaL_error(L, "a schema has no fields: call it on a value");
}

void validator_register(lua_State *L)
{
    field_metatable(L, VALIDATOR_METATABLE, no_fields, NULL);
    field_function(L, "__call", call);
    field_function(L, "__gc", collect);
    lua_pop(L, 1);
}
