/*
 * require: `require "rules.v2"` runs rules/v2.lua of the manifest, once for each VM.
 *
 * Only while a file is loaded: a request finds everything in place. A circle is an error that names it.
 */
#pragma once

#include <lua.h>

/* A file being loaded; the chain of them lives on the C stack. */
struct require {
    const char *path;
    struct require *outer;
};

int require_call(lua_State *L);
