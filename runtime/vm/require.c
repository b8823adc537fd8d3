#include "vm/require.h"

#include <ctype.h>
#include <stdio.h>

#include <lauxlib.h>

#include "vm/state.h"

enum { LONGEST_NAME = 200, DEEPEST = 64 };

/* "rules.v2" → "rules/v2.lua". */
static void path_of(lua_State *L, const char *name, char *out)
{
    size_t len = strlen(name), i = 0;
    bool is_good = len > 0 && len <= LONGEST_NAME && name[0] != '.' && name[len - 1] != '.';
    for (; is_good && i < len; i++) {
        bool is_dot = name[i] == '.';
        is_good = isalnum((unsigned char)name[i]) || name[i] == '_' || name[i] == '-' ||
                  (is_dot && name[i + 1] != '.');
        out[i] = is_dot ? '/' : name[i];
    }
    if (!is_good)
        luaL_error(L, "'%s' is no module name: write require \"rules.v2\" for rules/v2.lua", name);
    strcpy(out + i, ".lua");
}

static void refuse_circle(lua_State *L, const struct require *loading, const char *path)
{
    const struct require *r = loading;
    int depth = 0;
    for (; r && strcmp(r->path, path) != 0; r = r->outer)
        depth++;
    if (r == NULL && depth < DEEPEST)
        return;
    if (r == NULL)
        luaL_error(L, "files require each other more than %d deep", DEEPEST);
    lua_pushstring(L, path);
    for (r = loading; strcmp(r->path, path) != 0; r = r->outer) {
        lua_pushfstring(L, "%s → %s", r->path, lua_tostring(L, -1));
        lua_remove(L, -2);
    }
    luaL_error(L, "files require each other in a circle: %s → %s", path, lua_tostring(L, -1));
}

/* Protected, so that the chain is taken down again when the file raises. */
static void run(lua_State *L, struct vm *vm, const char *path)
{
    struct require self = {.path = path, .outer = vm->loading};
    vm->loading = &self;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->runner);
    int status = lua_pcall(L, 0, 1, 0);
    vm->loading = self.outer;
    if (status != 0)
        lua_error(L);
}

int require_call(lua_State *L)
{
    struct vm *vm = vm_of(L);
    const char *name = luaL_checkstring(L, 1);
    char path[LONGEST_NAME + 8];
    if (vm->running || vm->loading == NULL)
        return luaL_error(
            L,
            "require works only while a file is loaded: move require \"%s\" to the top of the file",
            name);
    path_of(L, name, path);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->modules);
    lua_getfield(L, -1, path);
    if (!lua_isnil(L, -1))
        return 1;
    refuse_circle(L, vm->loading, path);
    lua_pop(L, 1);
    run(L, vm, path);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, path);
    return 1;
}
