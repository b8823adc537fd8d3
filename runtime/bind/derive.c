#include "bind/derive.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "bind/field.h"
#include "bind/tree.h"

enum { MAX_VALUE = 1 << 20 };

enum option { SYSTEM, TOOLS, MAX_TOKENS, MAX_COMPLETION_TOKENS, TEMPERATURE, TOP_P, FREQUENCY, PRESENCE, SEED, EFFORT, STOP, OPTION_COUNT };
static const char *const NAMES[OPTION_COUNT] = {
    "system", "tools", "max_tokens", "max_completion_tokens", "temperature", "top_p", "frequency_penalty", "presence_penalty",
    "seed", "reasoning_effort", "stop"};

/* What OpenAI's API takes; integers have no fraction. */
static const struct range {
    double least, most;
    bool is_integer;
} RANGES[OPTION_COUNT] = {
    [MAX_TOKENS] = {1, 1e8, true}, [MAX_COMPLETION_TOKENS] = {1, 1e8, true}, [TEMPERATURE] = {0, 2, false},
    [TOP_P] = {0, 1, false},       [FREQUENCY] = {-2, 2, false},             [PRESENCE] = {-2, 2, false},
    [SEED] = {-9e15, 9e15, true},
};

/* What has no sense, or is an error at OpenAI, in a request without tools. */
static const char *const TOOL_MEMBERS[] = {"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"};

static void set_member(struct derived *d, const char *name, struct str value)
{
    int i = 0;
    while (i < d->edit_count && strcmp(d->edits[i].name, name) != 0)
        i++;
    d->edits[i] = (struct json_edit){name, value};
    d->edit_count += i == d->edit_count;
}

/* The value on top of the stack as JSON, in the arena. */
static struct str write_value(lua_State *L, struct arena *arena)
{
    struct buf out = BUF(MAX_VALUE);
    struct str json = {NULL, 0};
    if (tree_write(L, -1, &out) == 0)
        json = arena_str(arena, buf_str(&out));
    buf_clear(&out);
    if (json.p == NULL)
        luaL_error(L, "model:with: %s is too large", lua_tostring(L, -2));
    return json;
}

static bool is_texts(lua_State *L)
{
    int count = lua_istable(L, -1) ? (int)lua_objlen(L, -1) : 0;
    bool are = count > 0;
    for (int i = 1; i <= count && are; i++) {
        lua_rawgeti(L, -1, i);
        are = lua_type(L, -1) == LUA_TSTRING;
        lua_pop(L, 1);
    }
    return are;
}

static void check_number(lua_State *L, enum option option)
{
    const struct range *r = &RANGES[option];
    lua_Number n = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
    if (!(n >= r->least && n <= r->most) || (r->is_integer && n != floor(n)))
        luaL_error(L, "model:with: %s must be %s from %f to %f", NAMES[option], r->is_integer ? "an integer" : "a number",
                   r->least, r->most);
}

static void check_value(lua_State *L, enum option option)
{
    bool is_text = lua_type(L, -1) == LUA_TSTRING;
    if (option == SYSTEM || option == EFFORT) {
        if (!is_text)
            luaL_error(L, "model:with: %s must be a string, not a %s", NAMES[option], luaL_typename(L, -1));
    } else if (option == STOP) {
        if (!is_text && !is_texts(L))
            luaL_error(L, "model:with: stop must be a string or a list of strings");
    } else {
        check_number(L, option);
    }
}

static void remove_member(lua_State *L, struct derived *d, enum option option)
{
    if (option == SYSTEM)
        luaL_error(L, "model:with: system must be a string, not false");
    if (option != TOOLS)
        set_member(d, NAMES[option], (struct str){NULL, 0});
    for (size_t i = 0; option == TOOLS && i < sizeof TOOL_MEMBERS / sizeof *TOOL_MEMBERS; i++)
        set_member(d, TOOL_MEMBERS[i], (struct str){NULL, 0});
}

/* The key at -2, its value at -1. */
static void read_option(lua_State *L, struct derived *d, struct arena *arena)
{
    enum option option = (enum option)field_check(L, -2, "model:with's options", NAMES, OPTION_COUNT);
    if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) {
        remove_member(L, d, option);
        return;
    }
    if (option == TOOLS)
        luaL_error(L, "model:with: tools can only be false, which removes them");
    check_value(L, option);
    struct str value = write_value(L, arena);
    if (option == SYSTEM)
        d->system = value;
    else
        set_member(d, NAMES[option], value);
    /* Providers refuse both names of one limit at once. */
    if (option == MAX_TOKENS || option == MAX_COMPLETION_TOKENS)
        set_member(d, NAMES[option == MAX_TOKENS ? MAX_COMPLETION_TOKENS : MAX_TOKENS], (struct str){NULL, 0});
}

static void refuse_both_limits(lua_State *L, int index)
{
    lua_getfield(L, index, NAMES[MAX_TOKENS]);
    lua_getfield(L, index, NAMES[MAX_COMPLETION_TOKENS]);
    if (!lua_isnil(L, -1) && !lua_isnil(L, -2))
        luaL_error(L, "model:with: max_tokens and max_completion_tokens are two names of one limit: give one");
    lua_pop(L, 2);
}

const struct model *derive_model(lua_State *L, const struct model *model, int index, struct arena *arena)
{
    luaL_checktype(L, index, LUA_TTABLE);
    refuse_both_limits(L, index);
    struct model *m = arena_need(arena, sizeof *m);
    struct derived *d = arena_need(arena, sizeof *d);
    if (model->derived)
        *d = *model->derived;
    d->base = model_base(model);
    *m = *model;
    m->derived = d;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        read_option(L, d, arena);
        lua_pop(L, 1);
    }
    return m;
}
