#include "bind/similar.h"

#include <lauxlib.h>
#include <stdio.h>

#include "bind/field.h"
#include "bind/file.h"
#include "classify/similar.h"

#define SIMILAR_METATABLE "similar"

struct examples {
    struct similar *s;
};

int similar_new(lua_State *L)
{
    struct err err;
    char path[FILE_MAX_PATH];
    struct str bytes = file_named(L, "wye.similar", "classifiers", "similar", path);
    struct examples *e = lua_newuserdata(L, sizeof *e);
    e->s = NULL;
    luaL_getmetatable(L, SIMILAR_METATABLE);
    lua_setmetatable(L, -2);
    e->s = similar_open(bytes, &err);
    if (e->s == NULL)
        return luaL_error(L, "wye.similar: %s: %s", path, err.message);
    return 1;
}

static struct str text_at(lua_State *L, int index)
{
    struct str text;
    text.p = luaL_checklstring(L, index, &text.len);
    return text;
}

/* faq(text) → label, p, known. */
static int call(lua_State *L)
{
    const struct examples *e = luaL_checkudata(L, 1, SIMILAR_METATABLE);
    struct likeness like = similar_read(e->s, text_at(L, 2));
    lua_pushlstring(L, like.label.p, like.label.len);
    lua_pushnumber(L, like.p);
    lua_pushnumber(L, like.known);
    return 3;
}

static void set_text(lua_State *L, const char *name, struct str text)
{
    lua_pushlstring(L, text.p, text.len);
    lua_setfield(L, -2, name);
}

/* faq:nearest(text, n) → { { text, label, score } }, nearest first. */
static int nearest(lua_State *L)
{
    if (!lua_isuserdata(L, 1))
        return luaL_error(L, "call it as faq:nearest(text), with a colon");
    const struct examples *e = luaL_checkudata(L, 1, SIMILAR_METATABLE);
    struct neighbour near[SIMILAR_NEAREST];
    int most = luaL_optint(L, 3, 3);
    if (most < 1 || most > SIMILAR_NEAREST)
        return luaL_error(L, "nearest takes 1 to %d examples, not %d", SIMILAR_NEAREST, most);
    int count = similar_nearest(e->s, text_at(L, 2), most, near);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_createtable(L, 0, 3);
        set_text(L, "text", near[i].text);
        set_text(L, "label", near[i].label);
        lua_pushnumber(L, near[i].cosine);
        lua_setfield(L, -2, "score");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int read_field(lua_State *L)
{
    static const char *const NAMES[] = {"nearest"};
    field_check(L, 2, SIMILAR_METATABLE, NAMES, 1);
    lua_pushcfunction(L, nearest);
    return 1;
}

static int collect(lua_State *L)
{
    struct examples *e = luaL_checkudata(L, 1, SIMILAR_METATABLE);
    if (e->s)
        similar_close(e->s);
    e->s = NULL;
    return 0;
}

void similar_register(lua_State *L)
{
    field_metatable(L, SIMILAR_METATABLE, read_field, NULL);
    field_function(L, "__call", call);
    field_function(L, "__gc", collect);
    lua_pop(L, 1);
}
