#include "bind/req.h"

#include <ctype.h>
#include <lauxlib.h>

#include "base/json.h"
#include "bind/field.h"
#include "bind/scope.h"
#include "bind/tree.h"

static const char *const NAMES[] = {
#define X(name, text) text,
    REQ_FIELDS(X)
#undef X
};

bool req_is_secret(struct str name)
{
    return str_ieq(name, "authorization") || str_ieq(name, "x-api-key") || str_ieq(name, "api-key") ||
           str_ieq(name, "cookie") || str_ieq(name, "proxy-authorization") || str_ieq(name, "x-goog-api-key");
}

static void push_str(lua_State *L, struct str s)
{
    if (s.p)
        lua_pushlstring(L, s.p, s.len);
    else
        lua_pushnil(L);
}

static void push_headers(lua_State *L, const struct http_head *head)
{
    lua_createtable(L, 0, head->count);
    for (int i = 0; i < head->count; i++) {
        struct str name = head->fields[i].name;
        char lower[128];
        if (req_is_secret(name) || name.len >= sizeof lower)
            continue;
        for (size_t k = 0; k < name.len; k++)
            lower[k] = (char)tolower((unsigned char)name.p[k]);
        lua_pushlstring(L, lower, name.len);
        push_str(L, head->fields[i].value);
        lua_rawset(L, -3);
    }
}

static void push_tree(lua_State *L, struct view *v, struct str value)
{
    if (value.p == NULL || json_type(value) == JSON_NULL)
        lua_pushnil(L);
    else
        tree_push(L, value, v->arena);
}

/* A member of the request in chat's shape; nil where it has none. */
static void push_chat(lua_State *L, struct view *v, const struct str *member)
{
    struct err err;
    view_chat(v, &err);
    push_tree(L, v, *member);
}

/* A later call may only tighten: what a rule allows itself, a rule that it calls cannot widen. */
static double tighter(double old, double new)
{
    return old >= 0 && old < new ? old : new;
}

/* req:limit{ usd =, seconds =, attempts =, tokens = } */
static int limit(lua_State *L)
{
    static const char *const NAMES_OF_LIMITS[] = {"usd", "seconds", "attempts", "tokens"};
    static const double MOST[] = {1e6, 3600, 1e6, 1e9};
    struct scope *scope = req_check(L, 1);
    struct limit *l = &scope->limit;
    luaL_checktype(L, 2, LUA_TTABLE);
    if (!l->is_set)
        *l = (struct limit){true, -1, -1, -1, -1};
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        int which = field_check(L, -2, "req:limit's options", NAMES_OF_LIMITS, 4);
        double most = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
        if (!(most >= 0 && most <= MOST[which]))
            luaL_error(L, "req:limit: %s must be a number from 0 to %d", NAMES_OF_LIMITS[which], (int)MOST[which]);
        switch (which) {
        case 0: l->usd = tighter(l->usd, most); break;
        case 1: l->seconds = tighter(l->seconds, most); break;
        case 2: l->attempts = (int)tighter(l->attempts, most); break;
        default: l->tokens = (int64_t)tighter((double)l->tokens, most);
        }
    }
    return 0;
}

static int read_field(lua_State *L)
{
    struct scope *scope = scope_check(L, 1, METATABLE_REQ);
    struct view *v = &scope->view;
    int field = field_check(L, 2, METATABLE_NAMES[METATABLE_REQ], NAMES, REQ_FIELD_COUNT);
    scope->reads |= 1u << field;
    switch (field) {
    case REQ_ID: lua_pushstring(L, v->id); break;
    case REQ_USER: push_str(L, view_user(v)); break;
    case REQ_CONVERSATION: push_str(L, view_conversation(v)); break;
    case REQ_PROMPT: push_str(L, view_prompt(v)); break;
    case REQ_MESSAGES: push_chat(L, v, &v->messages); break;
    case REQ_TOKENS: lua_pushnumber(L, (lua_Number)v->tokens); break;
    case REQ_TOOLS: push_chat(L, v, &v->tools); break;
    case REQ_HAS_IMAGE: lua_pushboolean(L, v->has_image); break;
    case REQ_HAS_TOOLS: lua_pushboolean(L, v->has_tools); break;
    case REQ_STREAM: lua_pushboolean(L, v->stream); break;
    case REQ_HEADERS: push_headers(L, v->head); break;
    case REQ_MODEL: push_str(L, v->model); break;
    case REQ_METADATA: push_tree(L, v, v->metadata); break;
    case REQ_LIMIT: lua_pushcfunction(L, limit); break;
    }
    return 1;
}

void req_register(lua_State *L)
{
    field_open(L, METATABLE_REQ, read_field, NULL);
    lua_pop(L, 1);
}

void req_push(lua_State *L, struct scope *scope)
{
    scope_push(L, scope, scope, METATABLE_REQ);
}

struct scope *req_check(lua_State *L, int index)
{
    struct scope *scope = scope_check(L, index, METATABLE_REQ);
    if (scope != scope_of(L, "req"))
        luaL_error(L, "this req belongs to another request");
    return scope;
}
