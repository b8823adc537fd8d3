/*
 * reply: a model's buffered answer (OpenAI's chat completion), held by a route to decide on or to serve.
 *
 * Views lie in the request's arena. Lua sees: text, json, finish, tool_calls, model, status, usage, usd, ms.
 */
#pragma once

#include <lua.h>

#include "base/err.h"
#include "base/str.h"
#include "vm/config.h"

/* Tokens in disjoint buckets: cached ones are not inside input, reasoning not inside output. */
struct usage {
    bool is_known;
    int64_t tokens[PRICE_BUCKETS];
};

struct reply {
    const struct model *model;
    int status;
    struct str body; /* the provider's JSON, as it came */
    struct usage usage;
    double usd;
    unsigned ms;
    int attempt;    /* its number in the trace */
    struct err err; /* kind ERR_NONE: the reply is whole */
};

/* The text of the answer, decoded; "" when there is none. */
struct str reply_text(const struct reply *r, struct arena *arena);

void reply_register(lua_State *L);
