/*
 * classify: model:classify(text, labels, opts) → label and p, or nil and err.
 *
 * A cheap model answers with one of the labels as structured output. Nothing of the client's request is sent but what the route passes.
 */
#pragma once

#include <lua.h>

int classify_text(lua_State *L);
