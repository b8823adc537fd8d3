/* req: what a route knows of the request: id, user, conversation, prompt, messages, tokens, tools, has_image, has_tools, stream, headers, model, metadata, and req:limit. Read-only. */
#pragma once

#include <stdbool.h>

#include <lua.h>

#include "base/str.h"

struct scope;

#define REQ_FIELDS(X) \
    X(ID, "id") X(USER, "user") X(CONVERSATION, "conversation") X(PROMPT, "prompt") X(MESSAGES, "messages") X(TOKENS, "tokens") \
    X(TOOLS, "tools") X(HAS_IMAGE, "has_image") X(HAS_TOOLS, "has_tools") X(STREAM, "stream") X(HEADERS, "headers") \
    X(MODEL, "model") X(METADATA, "metadata") X(LIMIT, "limit")

enum {
#define X(name, text) REQ_##name,
    REQ_FIELDS(X)
#undef X
        REQ_FIELD_COUNT
};

void req_register(lua_State *L);
void req_push(lua_State *L, struct scope *scope);

/* Raises unless the value at `index` is the req of the running request. */
struct scope *req_check(lua_State *L, int index);

/* Does the header carry a client's secret? Such stay out of scripts, and so out of the trace. */
bool req_is_secret(struct str name);
