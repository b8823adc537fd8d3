/* file: what routes read of their project at load: prompts and schemas. The manifest holds it, so that it is reloaded and rolled back with the code. */
#pragma once

#include <lua.h>

#include "base/str.h"

/* Raises unless a file loads: `what` costs too much, or knows too little, while a request is served. */
void file_loading(lua_State *L, const char *what);

/* The bytes of a file of the project, followed by a NUL; raises with the near name when there is none, and outside of loading. */
struct str file_read(lua_State *L, const char *what, const char *path);

/* wye.prompt "prompts/support.md" → its text. */
int file_prompt(lua_State *L);
