#include "bind/kv.h"

#include <lauxlib.h>
#include <string.h>

#include "base/clock.h"
#include "bind/field.h"
#include "bind/scope.h"
#include "policy/table.h"

#define KV_METATABLE "wye.kv"

enum { MAX_KEY = 256, MAX_VALUE = 8192, OWN_BYTES = 1 << 20, MAX_TTL_S = 366 * 86400 };
enum kind { KIND_STRING = 1, KIND_NUMBER, KIND_BOOLEAN };

static const char *const FUNCTIONS[] = {"get", "set", "add", "expire", "delete"};

static struct table *own_table(void)
{
    static struct table *own;
    if (own == NULL) {
        own = table_new(1, OWN_BYTES, 96);
        table_resize(own, OWN_BYTES);
    }
    return own;
}

static struct table *table_of(lua_State *L)
{
    struct scope *scope = scope_of(L, "wye.kv");
    return scope->host->kv ? scope->host->kv(scope) : own_table();
}

/* wye.kv:get(key) is as good as wye.kv.get(key). */
static struct str check_key(lua_State *L)
{
    if (lua_isuserdata(L, 1))
        lua_remove(L, 1);
    struct str key;
    key.p = luaL_checklstring(L, 1, &key.len);
    if (key.len == 0 || key.len > MAX_KEY)
        luaL_error(L, "wye.kv: a key has 1 to %d bytes", MAX_KEY);
    return key;
}

static uint64_t check_seconds(lua_State *L, int index, const char *what)
{
    lua_Number seconds = luaL_checknumber(L, index);
    if (!(seconds > 0 && seconds <= MAX_TTL_S))
        luaL_error(L, "wye.kv: %s must be seconds above 0 and up to %d", what, MAX_TTL_S);
    return (uint64_t)(seconds * 1000 + 0.999);
}

static uint64_t check_ttl(lua_State *L, int index)
{
    static const char *const OPTIONS[] = {"ttl"};
    uint64_t ttl = 0;
    if (lua_isnoneornil(L, index))
        return 0;
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        field_check(L, -2, "wye.kv's options", OPTIONS, 1);
        ttl = check_seconds(L, -1, "ttl");
    }
    return ttl;
}

static int get(lua_State *L)
{
    static struct buf value = BUF(MAX_VALUE); /* kept: a Lua error must not leak it */
    struct str key = check_key(L);
    uint8_t kind;
    buf_reset(&value);
    if (table_get(table_of(L), key, clock_ms(), &kind, &value) != TABLE_OK) {
        lua_pushnil(L);
        return 1;
    }
    double number;
    switch (kind) {
    case KIND_NUMBER:
        memcpy(&number, value.p, sizeof number);
        lua_pushnumber(L, number);
        break;
    case KIND_BOOLEAN: lua_pushboolean(L, value.p[0]); break;
    default: lua_pushlstring(L, value.p ? value.p : "", value.len);
    }
    return 1;
}

static int set(lua_State *L)
{
    struct str key = check_key(L), value = {0};
    uint64_t ttl = check_ttl(L, 3);
    double number = 0;
    char boolean = (char)lua_toboolean(L, 2);
    enum kind kind = KIND_STRING;
    switch (lua_type(L, 2)) {
    case LUA_TSTRING: value.p = lua_tolstring(L, 2, &value.len); break;
    case LUA_TNUMBER:
        number = lua_tonumber(L, 2);
        kind = KIND_NUMBER;
        value = str_n((const char *)&number, sizeof number);
        break;
    case LUA_TBOOLEAN:
        kind = KIND_BOOLEAN;
        value = str_n(&boolean, 1);
        break;
    default: return luaL_error(L, "wye.kv.set: a value is a string, a number or a boolean, not a %s", luaL_typename(L, 2));
    }
    if (value.len > MAX_VALUE)
        return luaL_error(L, "wye.kv.set: the value has %d bytes; %d are the limit", (int)value.len, MAX_VALUE);
    table_set(table_of(L), key, (uint8_t)kind, value, ttl, clock_ms());
    return 0;
}

static int add(lua_State *L)
{
    struct str key = check_key(L);
    double sum = 0, n = luaL_optnumber(L, 2, 1);
    uint64_t ttl = check_ttl(L, 3);
    if (table_add(table_of(L), key, KIND_NUMBER, n, ttl, clock_ms(), &sum) == TABLE_WRONG_KIND)
        return luaL_error(L, "wye.kv.add: the value of '%s' is no number", key.p);
    lua_pushnumber(L, sum);
    return 1;
}

static int expire(lua_State *L)
{
    struct str key = check_key(L);
    uint64_t ttl = check_seconds(L, 2, "the life");
    lua_pushboolean(L, table_expire(table_of(L), key, ttl, clock_ms()) == TABLE_OK);
    return 1;
}

static int delete(lua_State *L)
{
    struct str key = check_key(L);
    lua_pushboolean(L, table_delete(table_of(L), key, clock_ms()) == TABLE_OK);
    return 1;
}

static int kv_index(lua_State *L)
{
    static const lua_CFunction BY_NAME[] = {get, set, add, expire, delete};
    int which = field_check(L, 2, "wye.kv", FUNCTIONS, sizeof FUNCTIONS / sizeof *FUNCTIONS);
    lua_pushcfunction(L, BY_NAME[which]);
    return 1;
}

void kv_register(lua_State *L)
{
    field_metatable(L, KV_METATABLE, kv_index, NULL);
    lua_pop(L, 1);
}

void kv_push(lua_State *L)
{
    lua_newuserdata(L, 0);
    luaL_getmetatable(L, KV_METATABLE);
    lua_setmetatable(L, -2);
}
