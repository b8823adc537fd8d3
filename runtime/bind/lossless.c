#include "bind/lossless.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

#define ARRAY "json.array"
#define RAW "json.raw"

enum { TEXT_MOST = 256 << 20, ARENA_MOST = 256 << 20, WARM_MOST = 1 << 20, FEW_KEYS = 32 };

static const double INTEGER_MOST = 9007199254740992.0; /* 2^53 */

/* What decode and encode work in, kept warm from call to call. */
struct work {
    struct arena arena;
    struct buf out;
};

static int drop_work(lua_State *L)
{
    struct work *w = lua_touserdata(L, 1);
    arena_clear(&w->arena);
    buf_clear(&w->out);
    return 0;
}

/* Between calls; a large one does not keep its memory. */
static void cool(struct work *w)
{
    if (w->arena.used > WARM_MOST)
        arena_clear(&w->arena);
    else
        arena_reset(&w->arena);
    if (w->out.cap > WARM_MOST)
        buf_clear(&w->out);
}

static void push_raw(lua_State *L, struct str text)
{
    char *bytes = lua_newuserdata(L, text.len);
    memcpy(bytes, text.p, text.len);
    luaL_getmetatable(L, RAW);
    lua_setmetatable(L, -2);
}

static bool has_metatable(lua_State *L, int index, const char *name)
{
    if (!lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, name);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static struct str raw_of(lua_State *L, int index)
{
    return str_n(lua_touserdata(L, index), lua_objlen(L, index));
}

static void mark_array(lua_State *L)
{
    luaL_getmetatable(L, ARRAY);
    lua_setmetatable(L, -2);
}

/* ---- decoding ---- */

struct decoder {
    lua_State *L;
    struct arena *arena;
    int raw; /* index of the set of names, 0: none */
};

static void push_value(struct decoder *d, struct str value);

static void push_string(struct decoder *d, struct str value)
{
    struct str text = json_plain(value);
    if (text.p == NULL)
        text = json_text(value, d->arena);
    if (text.p == NULL)
        luaL_error(d->L, "a text of JSON is too long");
    lua_pushlstring(d->L, text.p, text.len);
}

static void push_number(struct decoder *d, struct str value)
{
    double number = 0;
    json_number(value, &number);
    bool is_integer = strcspn(value.p, ".eE,]} \t\r\n") >= value.len;
    if (isinf(number) || (fabs(number) > INTEGER_MOST && is_integer))
        push_raw(d->L, value);
    else
        lua_pushnumber(d->L, number);
}

/* With the member's name on top. */
static bool is_wanted_raw(struct decoder *d, struct str value)
{
    if (d->raw == 0 || json_type(value) == JSON_NULL)
        return false;
    lua_pushvalue(d->L, -1);
    lua_rawget(d->L, d->raw);
    bool wanted = lua_toboolean(d->L, -1);
    lua_pop(d->L, 1);
    return wanted;
}

static void push_object(struct decoder *d, struct str value)
{
    lua_newtable(d->L);
    for (struct json_walk w = json_walk(value); json_next(&w);) {
        push_string(d, str_n(w.key.p - 1, w.key.len + 2)); /* with its quotes */
        if (is_wanted_raw(d, w.value))
            push_raw(d->L, w.value);
        else
            push_value(d, w.value);
        lua_rawset(d->L, -3);
    }
}

static void push_array(struct decoder *d, struct str value)
{
    int n = 0;
    lua_newtable(d->L);
    for (struct json_walk w = json_walk(value); json_next(&w);) {
        push_value(d, w.value);
        lua_rawseti(d->L, -2, ++n);
    }
    mark_array(d->L);
}

static void push_value(struct decoder *d, struct str value)
{
    luaL_checkstack(d->L, 8, "JSON nested too deeply");
    switch (json_type(value)) {
    case JSON_NONE:
    case JSON_NULL: lua_pushlightuserdata(d->L, NULL); break;
    case JSON_FALSE: lua_pushboolean(d->L, 0); break;
    case JSON_TRUE: lua_pushboolean(d->L, 1); break;
    case JSON_NUMBER: push_number(d, value); break;
    case JSON_STRING: push_string(d, value); break;
    case JSON_ARRAY: push_array(d, value); break;
    case JSON_OBJECT: push_object(d, value); break;
    }
}

static struct str check_text(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    while (len && strchr(" \t\r\n", *text) && *text)
        text++, len--;
    while (len && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
        len--;
    return str_n(text, len);
}

static int complain(lua_State *L, const struct err *err)
{
    lua_pushnil(L);
    lua_pushstring(L, err->message);
    return 2;
}

/* decode(text, raw) → value, or nil and why it is not JSON. */
static int decode(lua_State *L)
{
    struct work *work = lua_touserdata(L, lua_upvalueindex(1));
    struct str text = check_text(L);
    struct err err;
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    if (json_validate(text, &err) < 0)
        return complain(L, &err);
    struct decoder d = {L, &work->arena, lua_istable(L, 2) ? 2 : 0};
    push_value(&d, text);
    cool(work);
    return 1;
}

/* ---- encoding ---- */

struct encoder {
    lua_State *L;
    struct buf *out;
};

static void put_value(struct encoder *e, int index, int depth);

static void put(struct encoder *e, int result)
{
    if (result < 0)
        luaL_error(e->L, "the JSON is larger than %d MiB", TEXT_MOST >> 20);
}

static void put_number(struct encoder *e, double number)
{
    if (isnan(number) || isinf(number))
        luaL_error(e->L, "JSON has no word for %s", isnan(number) ? "not a number" : "infinity");
    if (number == floor(number) && fabs(number) <= INTEGER_MOST) {
        put(e, buf_printf(e->out, "%.0f", number));
        return;
    }
    char text[32];
    for (int digits = 15; digits <= 17; digits++) { /* the shortest that reads as the same number */
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    put(e, buf_puts(e->out, text));
}

static void put_array(struct encoder *e, int index, int depth)
{
    int count = (int)lua_objlen(e->L, index);
    put(e, buf_putc(e->out, '['));
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            put(e, buf_putc(e->out, ','));
        lua_rawgeti(e->L, index, i);
        if (lua_isnil(e->L, -1))
            luaL_error(e->L, "item %d of an array is nil", i);
        put_value(e, lua_gettop(e->L), depth);
        lua_pop(e->L, 1);
    }
    put(e, buf_putc(e->out, ']'));
}

static int compare_keys(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Fills `keys` with the names of the table, which keeps them alive. Returns how many there are. */
static int list_keys(struct encoder *e, int index, struct str *keys, int most)
{
    int count = 0;
    lua_pushnil(e->L);
    for (; lua_next(e->L, index); lua_pop(e->L, 1)) {
        if (lua_type(e->L, -2) != LUA_TSTRING)
            luaL_error(e->L, "an object of JSON has a member that a %s names", luaL_typename(e->L, -2));
        if (count < most) {
            size_t len;
            const char *name = lua_tolstring(e->L, -2, &len);
            keys[count] = str_n(name, len);
        }
        count++;
    }
    return count;
}

static void put_object(struct encoder *e, int index, int depth)
{
    struct str few[FEW_KEYS], *keys = few;
    int count = list_keys(e, index, few, FEW_KEYS);
    if (count > FEW_KEYS) {
        keys = lua_newuserdata(e->L, (size_t)count * sizeof *keys);
        list_keys(e, index, keys, count);
    }
    qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    put(e, buf_putc(e->out, '{'));
    for (int i = 0; i < count; i++) {
        put(e, i ? buf_putc(e->out, ',') : 0);
        put(e, json_quote(e->out, keys[i]));
        put(e, buf_putc(e->out, ':'));
        lua_pushlstring(e->L, keys[i].p, keys[i].len);
        lua_rawget(e->L, index);
        put_value(e, lua_gettop(e->L), depth);
        lua_pop(e->L, 1);
    }
    put(e, buf_putc(e->out, '}'));
    if (count > FEW_KEYS)
        lua_pop(e->L, 1);
}

static bool is_array(lua_State *L, int index)
{
    return lua_objlen(L, index) > 0 || has_metatable(L, index, ARRAY);
}

static void put_value(struct encoder *e, int index, int depth)
{
    lua_State *L = e->L;
    size_t len;
    const char *text;
    if (depth == JSON_MAX_DEPTH)
        luaL_error(L, "the value is nested deeper than %d", JSON_MAX_DEPTH);
    luaL_checkstack(L, 8, "the value is nested too deeply");
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: put(e, buf_puts(e->out, lua_toboolean(L, index) ? "true" : "false")); return;
    case LUA_TNUMBER: put_number(e, lua_tonumber(L, index)); return;
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &len);
        put(e, json_quote(e->out, str_n(text, len)));
        return;
    case LUA_TTABLE: (is_array(L, index) ? put_array : put_object)(e, index, depth + 1); return;
    case LUA_TLIGHTUSERDATA: put(e, buf_puts(e->out, "null")); return;
    default: break;
    }
    if (lua_type(L, index) != LUA_TUSERDATA || !has_metatable(L, index, RAW))
        luaL_error(L, "JSON has no word for a %s", luaL_typename(L, index));
    struct str raw = raw_of(L, index);
    put(e, buf_append(e->out, raw.p, raw.len));
}

/* encode(value) → its JSON, members in the order of their names. */
static int encode(lua_State *L)
{
    struct work *work = lua_touserdata(L, lua_upvalueindex(1));
    struct encoder e = {L, &work->out};
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    buf_reset(e.out);
    put_value(&e, 1, 0);
    lua_pushlstring(L, e.out->p, e.out->len);
    cool(work);
    return 1;
}

/* ---- the rest ---- */

/* raw(text) → a slice, or nil and why it is not JSON. */
static int raw(lua_State *L)
{
    struct str text = check_text(L);
    struct err err;
    if (json_validate(text, &err) < 0)
        return complain(L, &err);
    push_raw(L, text);
    return 1;
}

static int raw_text(lua_State *L)
{
    struct str text = raw_of(L, 1);
    lua_pushlstring(L, text.p, text.len);
    return 1;
}

static int raw_equal(lua_State *L)
{
    struct str a = raw_of(L, 1), b = raw_of(L, 2);
    lua_pushboolean(L, a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
    return 1;
}

/* is_raw(value) */
static int is_raw(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushboolean(L, lua_type(L, 1) == LUA_TUSERDATA && has_metatable(L, 1, RAW));
    return 1;
}

/* array(t) → t, marked */
static int array(lua_State *L)
{
    if (lua_isnoneornil(L, 1))
        lua_newtable(L);
    luaL_checktype(L, -1, LUA_TTABLE);
    mark_array(L);
    return 1;
}

/* is_array(value) */
static int check_array(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushboolean(L, lua_istable(L, 1) && is_array(L, 1));
    return 1;
}

static void add_working(lua_State *L, const char *name, lua_CFunction f)
{
    lua_pushvalue(L, -2); /* the work */
    lua_pushcclosure(L, f, 1);
    lua_setfield(L, -2, name);
}

static void push_work(lua_State *L)
{
    struct work *w = lua_newuserdata(L, sizeof *w);
    *w = (struct work){ARENA(ARENA_MOST), BUF(TEXT_MOST)};
    lua_newtable(L);
    lua_pushcfunction(L, drop_work);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
}

static int open(lua_State *L)
{
    static const luaL_Reg FUNCTIONS[] = {
        {"raw", raw}, {"is_raw", is_raw}, {"array", array}, {"is_array", check_array}, {NULL, NULL}};
    luaL_newmetatable(L, ARRAY);
    luaL_newmetatable(L, RAW);
    lua_pushcfunction(L, raw_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushcfunction(L, raw_equal);
    lua_setfield(L, -2, "__eq");
    push_work(L);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    add_working(L, "decode", decode);
    add_working(L, "encode", encode);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}

void lossless_register(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, "json");
    lua_pop(L, 1);
}
