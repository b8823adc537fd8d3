#include "bind/file.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "vm/manifest.h"
#include "vm/state.h"

void file_loading(lua_State *L, const char *what)
{
    if (vm_of(L)->loading == NULL)
        luaL_error(L, "%s works only while the file loads: call it at the top and keep what it returns", what);
}

struct str file_read(lua_State *L, const char *what, const char *path)
{
    struct manifest *files = vm_of(L)->files;
    struct err err;
    char near[512];
    file_loading(L, what);
    struct str text = manifest_read(files, path, &err);
    if (text.p == NULL && manifest_near(files, path, near, sizeof near))
        luaL_error(L, "%s: %s (did you mean '%s'?)", what, err.message, near);
    if (text.p == NULL)
        luaL_error(L, "%s: %s", what, err.message);
    return text;
}

struct str file_named(lua_State *L, const char *what, const char *folder, const char *extension, char path[FILE_MAX_PATH])
{
    const char *name = luaL_checkstring(L, 1);
    if (strlen(name) > FILE_MAX_NAME)
        luaL_error(L, "%s: a name has at most %d bytes", what, FILE_MAX_NAME);
    snprintf(path, FILE_MAX_PATH, "%s/%s.%s", folder, name, extension);
    return file_read(L, what, path);
}

int file_prompt(lua_State *L)
{
    struct str text = file_read(L, "wye.prompt", luaL_checkstring(L, 1));
    lua_pushlstring(L, text.p, text.len);
    return 1;
}
