#include "bind/kv.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bind/field.h"
#include "bind/tape.h"
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

/* ---- the tape: each call by its name and key ("get visits"), what it gave as a letter and text ---- */

static struct str tape_key(struct scope *scope, const char *name, struct str key)
{
    char *text = arena_alloc(scope->view.arena, key.len + 8);
    if (text == NULL)
        return str_of(name); /* the request's memory is used up: nothing of it will be replayed */
    int n = snprintf(text, 8, "%s ", name);
    memcpy(text + n, key.p, key.len);
    return str_n(text, (size_t)n + key.len);
}

static void tell(struct scope *scope, const char *name, struct str key, char kind, struct str text)
{
    static struct buf value = BUF(MAX_VALUE + 64);
    if (scope->tape == NULL)
        return;
    buf_reset(&value);
    buf_putc(&value, kind);
    if (text.len)
        buf_append(&value, text.p, text.len);
    tape_put(scope, TAPE_KV, tape_key(scope, name, key), buf_str(&value));
}

static void tell_number(struct scope *scope, const char *name, struct str key, double number)
{
    char text[40];
    if (scope->tape == NULL)
        return;
    snprintf(text, sizeof text, "%.17g", number);
    tell(scope, name, key, 'n', str_of(text));
}

/* Pushes what a replay's tape knows of the call: nil when it does not. False when the call is to be made. */
static bool is_replayed(lua_State *L, struct scope *scope, const char *name, struct str key)
{
    struct str known = {0};
    if (scope->tape == NULL)
        return false;
    enum tape_answer answer = tape_take(scope, TAPE_KV, tape_key(scope, name, key), &known);
    if (answer == TAPE_LIVE)
        return false;
    char kind = known.len ? known.p[0] : '-';
    lua_pushlstring(L, known.len ? known.p + 1 : "", known.len ? known.len - 1 : 0);
    if (kind == 'n')
        lua_pushnumber(L, strtod(lua_tostring(L, -1), NULL));
    else if (kind == 'b')
        lua_pushboolean(L, lua_tostring(L, -1)[0] == '1');
    else if (kind != 's')
        lua_pushnil(L);
    return true;
}

static struct str boolean_text(bool is_true)
{
    return str_of(is_true ? "1" : "0");
}

/* ---- the calls ---- */

static int push_value(lua_State *L, struct scope *scope, struct str key, uint8_t kind, const struct buf *value)
{
    double number;
    switch (kind) {
    case KIND_NUMBER:
        memcpy(&number, value->p, sizeof number);
        tell_number(scope, "get", key, number);
        lua_pushnumber(L, number);
        break;
    case KIND_BOOLEAN:
        tell(scope, "get", key, 'b', boolean_text(value->p[0]));
        lua_pushboolean(L, value->p[0]);
        break;
    default:
        tell(scope, "get", key, 's', buf_str(value));
        lua_pushlstring(L, value->p ? value->p : "", value->len);
    }
    return 1;
}

static int get(lua_State *L)
{
    static struct buf value = BUF(MAX_VALUE); /* kept: a Lua error must not leak it */
    struct str key = check_key(L);
    struct scope *scope = scope_of(L, "wye.kv");
    uint8_t kind;
    if (is_replayed(L, scope, "get", key))
        return 1;
    buf_reset(&value);
    if (table_get(table_of(L), key, clock_ms(), &kind, &value) == TABLE_OK)
        return push_value(L, scope, key, kind, &value);
    tell(scope, "get", key, '-', str_of(""));
    lua_pushnil(L);
    return 1;
}

/* ---- for those who may only look ---- */

static bool is_fixed(lua_State *L)
{
    return scope_of(L, "wye.kv")->host->kv_is_fixed;
}

static bool is_there(lua_State *L, struct str key)
{
    uint8_t kind;
    struct buf value = BUF(MAX_VALUE);
    bool is_found = table_get(table_of(L), key, clock_ms(), &kind, &value) == TABLE_OK;
    buf_clear(&value);
    return is_found;
}

/* What the sum would be. */
static enum table_result fixed_sum(lua_State *L, struct str key, double n, double *sum)
{
    uint8_t kind;
    struct buf value = BUF(MAX_VALUE);
    double held = 0;
    bool is_found = table_get(table_of(L), key, clock_ms(), &kind, &value) == TABLE_OK, is_number = !is_found || kind == KIND_NUMBER;
    if (is_found && is_number)
        memcpy(&held, value.p, sizeof held);
    buf_clear(&value);
    *sum = held + n;
    return is_number ? TABLE_OK : TABLE_WRONG_KIND;
}

/* ---- writing ---- */

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
    if (!is_replayed(L, scope_of(L, "wye.kv"), "set", key) && !is_fixed(L))
        table_set(table_of(L), key, (uint8_t)kind, value, ttl, clock_ms());
    return 0;
}

static int add(lua_State *L)
{
    struct str key = check_key(L);
    double sum = 0, n = luaL_optnumber(L, 2, 1);
    uint64_t ttl = check_ttl(L, 3);
    struct scope *scope = scope_of(L, "wye.kv");
    if (is_replayed(L, scope, "add", key))
        return 1;
    enum table_result result = is_fixed(L) ? fixed_sum(L, key, n, &sum) : table_add(table_of(L), key, KIND_NUMBER, n, ttl, clock_ms(), &sum);
    if (result == TABLE_WRONG_KIND)
        return luaL_error(L, "wye.kv.add: the value of '%s' is no number", key.p);
    tell_number(scope, "add", key, sum);
    lua_pushnumber(L, sum);
    return 1;
}

static int expire(lua_State *L)
{
    struct str key = check_key(L);
    uint64_t ttl = check_seconds(L, 2, "the life");
    struct scope *scope = scope_of(L, "wye.kv");
    if (is_replayed(L, scope, "expire", key))
        return 1;
    bool was_there = is_fixed(L) ? is_there(L, key) : table_expire(table_of(L), key, ttl, clock_ms()) == TABLE_OK;
    tell(scope, "expire", key, 'b', boolean_text(was_there));
    lua_pushboolean(L, was_there);
    return 1;
}

static int delete(lua_State *L)
{
    struct str key = check_key(L);
    struct scope *scope = scope_of(L, "wye.kv");
    if (is_replayed(L, scope, "delete", key))
        return 1;
    bool was_there = is_fixed(L) ? is_there(L, key) : table_delete(table_of(L), key, clock_ms()) == TABLE_OK;
    tell(scope, "delete", key, 'b', boolean_text(was_there));
    lua_pushboolean(L, was_there);
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
