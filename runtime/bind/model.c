#include "bind/model.h"

#include <lauxlib.h>
#include <string.h>

#include "bind/ask.h"
#include "bind/field.h"
#include "vm/generation.h"

enum { NEAR_MAX = 3 };

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

static int read_field(lua_State *L)
{
    const struct model *model = *(const struct model **)luaL_checkudata(L, 1, MODEL_METATABLE);
    switch (field_check(L, 2, MODEL_METATABLE, NAMES, NAME_COUNT)) {
    case ASK: lua_pushcfunction(L, ask_model); break;
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
