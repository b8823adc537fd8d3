#include "bind/model.h"

#include <lauxlib.h>
#include <string.h>

#include "bind/ask.h"
#include "bind/classify.h"
#include "bind/derive.h"
#include "bind/field.h"
#include "bind/pick.h"
#include "bind/scope.h"
#include "vm/generation.h"

enum { NEAR_MAX = 3 };

static const char *const NAMES[] = {"ask", "classify", "pick", "with", "id", "name", "context"};
enum { ASK, CLASSIFY, PICK, WITH, ID, NAME, CONTEXT, NAME_COUNT };

/* A model that a running route derived lies in the arena of its request, and ends with it. */
struct handle {
    const struct model *model;
    struct scope *scope; /* NULL: lives as long as the generation */
    uint64_t serial;
};

static void push_handle(lua_State *L, const struct model *model, struct scope *scope)
{
    struct handle *h = lua_newuserdata(L, sizeof *h);
    *h = (struct handle){model, scope, scope ? scope->serial : 0};
    field_set(L, METATABLE_MODEL);
}

static const struct model *model_in(lua_State *L, const struct handle *h)
{
    if (h->scope && h->serial != h->scope->serial)
        luaL_error(L, "this model was derived by a request that has ended: derive it at the top of the file");
    return h->model;
}

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
    push_handle(L, model, NULL);
    return 1;
}

const struct model *model_at(lua_State *L, int index)
{
    const struct handle *h = field_tested(L, index, METATABLE_MODEL);
    return h ? model_in(L, h) : NULL;
}

const struct model *model_lasting(lua_State *L, int index)
{
    const struct handle *h = field_tested(L, index, METATABLE_MODEL);
    return h && h->scope == NULL ? h->model : NULL;
}

/* model:with{…} → a model that differs from this one, which stays as it is. */
static int with(lua_State *L)
{
    const struct model *model = model_at(L, 1);
    if (model == NULL)
        return luaL_error(L, "call it as model:with{...}, with a colon");
    struct vm *vm = vm_of(L);
    if (vm->loading) {
        struct generation *g = vm->host;
        push_handle(L, derive_model(L, model, 2, &g->config->arena), NULL);
    } else {
        struct scope *scope = scope_of(L, "model:with");
        push_handle(L, derive_model(L, model, 2, scope->view.arena), scope);
    }
    return 1;
}

static int read_field(lua_State *L)
{
    const struct model *model = model_in(L, field_checked(L, 1, METATABLE_MODEL));
    switch (field_check(L, 2, METATABLE_NAMES[METATABLE_MODEL], NAMES, NAME_COUNT)) {
    case ASK: lua_pushcfunction(L, ask_model); break;
    case WITH: lua_pushcfunction(L, with); break;
    case CLASSIFY: lua_pushcfunction(L, classify_text); break;
    case PICK: lua_pushcfunction(L, pick_draft); break;
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
    lua_pushstring(L, model_in(L, field_checked(L, 1, METATABLE_MODEL))->id);
    return 1;
}

void model_register(lua_State *L)
{
    field_open(L, METATABLE_MODEL, read_field, tostring);
    lua_pop(L, 1);
}
