/* req: what a route knows of the request: id, user, conversation, prompt, messages, tokens, tools, has_image, has_tools, stream, headers, model, metadata, and req:limit. Read-only. */
#pragma once

#include <lua.h>

struct scope;

void req_register(lua_State *L);
void req_push(lua_State *L, struct scope *scope);

/* Raises unless the value at `index` is the req of the running request. */
struct scope *req_check(lua_State *L, int index);
