#include "bind/model.h"

#include <lauxlib.h>
#include <string.h>

#include "base/list.h"
#include "bind/field.h"
#include "bind/req.h"
#include "bind/scope.h"
#include "vm/generation.h"

enum { MAX_SECONDS = 3600, NEAR_MAX = 3 };

static const char *const NAMES[] = {"ask", "id", "name", "context"};
enum { ASK, ID, NAME, CONTEXT, NAME_COUNT };

int model_new(lua_State *L)
{
    const char *id = luaL_checkstring(L, 1);
    const struct generation *g = vm_of(L)->host;
    if (g->config == NULL)
        return luaL_error(L, "wye.model works in route files, not in wye.lua");
    const struct model *model = config_model(g->config, id);
    if (model == NULL) {
        const char *near[NEAR_MAX];
        int count = config_near_models(g->config, id, near, NEAR_MAX);
        return luaL_error(L, "no model '%s' in wye.lua%s%s%s", id, count ? " (did you mean '" : "",
                          count ? near[0] : "", count ? "'?)" : "; add it to `models`");
    }
    *(const struct model **)lua_newuserdata(L, sizeof model) = model;
    luaL_getmetatable(L, MODEL_METATABLE);
    lua_setmetatable(L, -2);
    return 1;
}

const struct model *model_at(lua_State *L, int index)
{
    void *p = lua_touserdata(L, index);
    if (p == NULL || !lua_getmetatable(L, index))
        return NULL;
    luaL_getmetatable(L, MODEL_METATABLE);
    bool is_model = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_model ? *(const struct model **)p : NULL;
}

struct pending_ask {
    struct op op;
    struct op *ops[1];
    struct reply *reply;
    struct scope *scope;
};

static int push_answer(lua_State *L, struct task *task)
{
    struct pending_ask *a = LIST_ENTRY(task->ops[0], struct pending_ask, op);
    if (a->reply->err.kind == ERR_NONE) {
        scope_push(L, a->scope, a->reply, REPLY_METATABLE);
        return 1;
    }
    lua_pushnil(L);
    lua_createtable(L, 0, 4);
    lua_pushstring(L, err_kind_name(a->reply->err.kind));
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, a->reply->err.message);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, a->reply->err.retryable);
    lua_setfield(L, -2, "retryable");
    lua_pushinteger(L, a->reply->status);
    lua_setfield(L, -2, "status");
    return 2;
}

static void read_options(lua_State *L, int index, struct ask_options *o)
{
    static const char *const OPTIONS[] = {"timeout", "logprobs"};
    if (lua_isnoneornil(L, index))
        return;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (field_check(L, -2, "model:ask's options", OPTIONS, 2) == 1) {
            o->logprobs = lua_toboolean(L, -1);
        } else {
            lua_Number seconds = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : -1;
            if (!(seconds > 0 && seconds <= MAX_SECONDS))
                luaL_error(L, "model:ask: timeout must be seconds above 0 and up to %d", MAX_SECONDS);
            o->timeout_ms = (unsigned)(seconds * 1000 + 0.999);
        }
        lua_pop(L, 1);
    }
}

/* model:ask(req, opts) → reply, or nil and err{kind, message, retryable, status}. */
static int ask(lua_State *L)
{
    const struct model *model = model_at(L, 1);
    if (model == NULL)
        return luaL_error(L, "call it as model:ask(req), with a colon");
    struct scope *scope = req_check(L, 2);
    task_check_wait(L);
    struct ask_options options = {0};
    read_options(L, 3, &options);
    options.where = scope_where(L);
    struct pending_ask *a = arena_need(scope->view.arena, sizeof *a);
    struct reply *reply = arena_need(scope->view.arena, sizeof *reply);
    a->reply = reply;
    a->scope = scope;
    a->ops[0] = &a->op;
    a->op.task = task_of(L);
    scope->host->ask(scope, model, &options, reply, &a->op);
    return task_wait(L, a->ops, 1, 1, push_answer);
}

static int read_field(lua_State *L)
{
    const struct model *model = *(const struct model **)luaL_checkudata(L, 1, MODEL_METATABLE);
    switch (field_check(L, 2, MODEL_METATABLE, NAMES, NAME_COUNT)) {
    case ASK: lua_pushcfunction(L, ask); break;
    case ID: lua_pushstring(L, model->id); break;
    case NAME: lua_pushstring(L, model->name); break;
    case CONTEXT:
        if (model->context)
            lua_pushnumber(L, model->context);
        else
            lua_pushnil(L);
        break;
    }
    return 1;
}

static int tostring(lua_State *L)
{
    lua_pushstring(L, (*(const struct model **)luaL_checkudata(L, 1, MODEL_METATABLE))->id);
    return 1;
}

void model_register(lua_State *L)
{
    field_metatable(L, MODEL_METATABLE, read_field, tostring);
    lua_pop(L, 1);
}
