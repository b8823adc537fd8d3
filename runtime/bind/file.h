/* file: what routes read of their project at load: prompts and schemas. The manifest holds it, so that it is reloaded and rolled back with the code. */
#pragma once

#include <lua.h>

#include "base/str.h"

/* Raises unless a file loads: `what` costs too much, or knows too little, while a request is served. */
void file_loading(lua_State *L, const char *what);

/* The bytes of a file of the project, followed by a NUL; raises with the near name when there is none, and outside of loading. */
struct str file_read(lua_State *L, const char *what, const char *path);

enum { FILE_MAX_NAME = 200, FILE_MAX_PATH = FILE_MAX_NAME + 32 };

/* The same for the file "FOLDER/NAME.EXTENSION" whose name is the argument at 1; `path` gets it. */
struct str file_named(lua_State *L, const char *what, const char *folder, const char *extension, char path[FILE_MAX_PATH]);

/* wye.prompt "prompts/support.md" → its text. */
int file_prompt(lua_State *L);
