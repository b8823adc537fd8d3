#include "bind/reply.h"

#include <lauxlib.h>

#include "base/json.h"
#include "bind/field.h"
#include "bind/scope.h"
#include "bind/tree.h"

static const char *const NAMES[] = {"text", "json", "finish", "tool_calls", "model", "status", "usage", "usd", "ms"};
enum { TEXT, JSON, FINISH, TOOL_CALLS, MODEL, STATUS, USAGE, USD, MS, NAME_COUNT };

static const char *const BUCKETS[PRICE_BUCKETS] = {"input", "cache_read", "cache_write", "output", "reasoning"};

struct str reply_text(const struct reply *r, struct arena *arena)
{
    struct str text = json_text(json_pointer(r->body, "/choices/0/message/content"), arena);
    return text.p ? text : str_of("");
}

/* nil when the text is not JSON: a route asks `if reply.json`. */
static void push_json(lua_State *L, const struct reply *r, struct arena *arena)
{
    struct str text = reply_text(r, arena);
    if (json_validate(text, NULL) == 0)
        tree_push(L, text, arena);
    else
        lua_pushnil(L);
}

static void push_usage(lua_State *L, const struct usage *u)
{
    if (!u->is_known) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, PRICE_BUCKETS);
    for (int i = 0; i < PRICE_BUCKETS; i++) {
        lua_pushnumber(L, (lua_Number)u->tokens[i]);
        lua_setfield(L, -2, BUCKETS[i]);
    }
}

static int read_field(lua_State *L)
{
    struct reply *r = scope_check(L, 1, METATABLE_REPLY);
    struct arena *arena = scope_of(L, "a reply")->view.arena;
    struct str text;
    switch (field_check(L, 2, METATABLE_NAMES[METATABLE_REPLY], NAMES, NAME_COUNT)) {
    case TEXT:
        text = reply_text(r, arena);
        lua_pushlstring(L, text.p, text.len);
        break;
    case JSON: push_json(L, r, arena); break;
    case FINISH: tree_push(L, json_pointer(r->body, "/choices/0/finish_reason"), arena); break;
    case TOOL_CALLS: tree_push(L, json_pointer(r->body, "/choices/0/message/tool_calls"), arena); break;
    case MODEL: lua_pushstring(L, r->model->id); break;
    case STATUS: lua_pushinteger(L, r->status); break;
    case USAGE: push_usage(L, &r->usage); break;
    case USD: lua_pushnumber(L, r->usd); break;
    case MS: lua_pushinteger(L, (lua_Integer)r->ms); break;
    }
    return 1;
}

void reply_register(lua_State *L)
{
    field_open(L, METATABLE_REPLY, read_field, NULL);
    lua_pop(L, 1);
}
