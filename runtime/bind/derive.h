/*
 * derive: model:with{…}, a model whose requests differ in a few members from what the client sent.
 *
 * A derived model is a copy of the configured one (same id, same provider) that carries its edits, so that it goes wherever a
 * model goes; what is kept by model (an index into config->models) is found through model_base. Made while a file loads it
 * lives as long as the generation, made by a running route as long as its request.
 */
#pragma once

#include <lua.h>

#include "base/json.h"
#include "vm/config.h"

enum { DERIVED_EDITS = 20 };

struct derived {
    const struct model *base; /* as configured */
    struct str system;        /* the leading system message, as a JSON string; {NULL, 0}: the client's stays */
    struct json_edit edits[DERIVED_EDITS]; /* top-level members set or removed */
    int edit_count;
};

static inline const struct model *model_base(const struct model *m)
{
    return m->derived ? m->derived->base : m;
}

/* A copy of `model` with the options of the table at `index`; raises for an unknown or wrong one. In the arena. */
const struct model *derive_model(lua_State *L, const struct model *model, int index, struct arena *arena);
