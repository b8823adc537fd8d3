#include "bind/adapters.h"

#include <lauxlib.h>

#include "bind/lossless.h"

static const struct {
    const char *name, *chunk;
    const unsigned char *text;
    size_t len;
} ADAPTERS[] = {
#include "scripts/adapters.inc"
};

/* Searches like package.preload, but compiles only what is asked for. */
static int find(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    for (size_t i = 0; i < sizeof ADAPTERS / sizeof *ADAPTERS; i++) {
        if (strcmp(ADAPTERS[i].name, name) != 0)
            continue;
        if (luaL_loadbuffer(L, (const char *)ADAPTERS[i].text, ADAPTERS[i].len, ADAPTERS[i].chunk) != 0)
            return lua_error(L);
        return 1;
    }
    lua_pushfstring(L, "\n\tno adapter '%s' in wye", name);
    return 1;
}

void adapters_register(lua_State *L)
{
    lossless_register(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    for (int i = (int)lua_objlen(L, -1); i > 0; i--) { /* first of all, so that no file of the disk is taken instead */
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, find);
    lua_rawseti(L, -2, 1);
    lua_pop(L, 2);
}
