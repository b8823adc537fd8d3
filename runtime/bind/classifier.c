#include "bind/classifier.h"

#include <lauxlib.h>
#include <stdio.h>

#include "bind/field.h"
#include "bind/file.h"
#include "bind/scope.h"
#include "classify/classifier.h"

enum { NOTE_MOST = 4096 };

#define CLASSIFIER_METATABLE "classifier"

struct judge {
    struct classifier *c;
    char name[FILE_MAX_NAME + 1];
};

int classifier_new(lua_State *L)
{
    struct err err;
    char path[FILE_MAX_PATH];
    struct str bytes = file_named(L, "wye.classifier", "classifiers", "model", path);
    struct judge *j = lua_newuserdata(L, sizeof *j);
    j->c = NULL;
    snprintf(j->name, sizeof j->name, "%s", lua_tostring(L, 1));
    luaL_getmetatable(L, CLASSIFIER_METATABLE);
    lua_setmetatable(L, -2);
    j->c = classifier_open(bytes, &err);
    if (j->c == NULL)
        return luaL_error(L, "wye.classifier: %s: %s", path, err.message);
    return 1;
}

/* So that `wye why` shows what the route went by, and drift is found. */
static void note(lua_State *L, const struct judge *j, const struct verdict *v)
{
    static struct buf data = BUF(NOTE_MOST);
    struct task *task = task_of(L);
    struct scope *scope = task ? task->owner : NULL;
    if (scope == NULL || scope->host->note == NULL)
        return;
    buf_reset(&data);
    buf_puts(&data, "{\"classifier\":");
    json_quote(&data, str_of(j->name));
    buf_puts(&data, ",\"label\":");
    json_quote(&data, v->label);
    buf_printf(&data, ",\"p\":%.4f,\"known\":%.4f}", v->p, v->known);
    scope->host->note(scope, str_of("classified"), buf_str(&data), scope_where(L));
    lua_pop(L, 1);
}

/* intent(text) → label, p, known. */
static int call(lua_State *L)
{
    const struct judge *j = luaL_checkudata(L, 1, CLASSIFIER_METATABLE);
    struct str text;
    text.p = luaL_checklstring(L, 2, &text.len);
    struct verdict v = classifier_read(j->c, text);
    note(L, j, &v);
    lua_pushlstring(L, v.label.p, v.label.len);
    lua_pushnumber(L, v.p);
    lua_pushnumber(L, v.known);
    return 3;
}

static int read_field(lua_State *L)
{
    static const char *const NAMES[] = {"labels"};
    const struct judge *j = luaL_checkudata(L, 1, CLASSIFIER_METATABLE);
    const struct str *labels;
    field_check(L, 2, CLASSIFIER_METATABLE, NAMES, 1);
    int count = classifier_labels(j->c, &labels);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushlstring(L, labels[i].p, labels[i].len);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int collect(lua_State *L)
{
    struct judge *j = luaL_checkudata(L, 1, CLASSIFIER_METATABLE);
    if (j->c)
        classifier_close(j->c);
    j->c = NULL;
    return 0;
}

void classifier_register(lua_State *L)
{
    field_metatable(L, CLASSIFIER_METATABLE, read_field, NULL);
    field_function(L, "__call", call);
    field_function(L, "__gc", collect);
    lua_pop(L, 1);
}
