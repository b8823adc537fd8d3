/*
 * decision: what a route returned, checked and as C. ROUTES.md section 1.
 *
 * A model, a list of models with options, a reply it holds, or a refusal; and the reason.
 */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "bind/reply.h"
#include "vm/config.h"

/* Seconds in Lua, milliseconds here; 0: the default. */
struct deadlines {
    unsigned connect, first_token, idle, attempt, total;
};

/* Which model of a list is tried first: as listed, or the cheapest, fastest or least busy. */
enum list_order { BY_LIST, BY_COST, BY_LATENCY, BY_LEAST_BUSY };

/* The same one for the same user or conversation, as long as the list has it: its prompt cache is warm there. */
enum list_sticky { STICKY_NONE, STICKY_USER, STICKY_CONVERSATION };

enum decision_kind { DECIDE_MODELS, DECIDE_REPLY, DECIDE_REFUSAL };

enum { DECISION_MAX_MODELS = 16 };

struct decision {
    enum decision_kind kind;
    const struct model *models[DECISION_MAX_MODELS];
    int count;
    struct deadlines deadlines;
    enum list_order order;
    enum list_sticky sticky;
    const double *weights; /* one for each model; NULL: none given */
    bool continues;        /* another model goes on where a stream broke off */
    unsigned cache_s; /* how long an exact answer is kept and served again; 0: not */
    uint32_t next_on; /* bit for each err_kind that leads to the next model */
    struct reply *reply;
    int status;        /* of a refusal */
    struct str message;
    struct str reason; /* empty when none was given */
};

/* rate_limit, overloaded, server_error, auth, connect, cut, malformed, timeout: all but what another model would refuse too. */
extern const uint32_t NEXT_ON_DEFAULT;

/* Reads the `count` results from the bottom of L's stack; texts are copied to the arena. -1 with err (kind ERR_SCRIPT) for a wrong type or option. Never raises. */
int decision_read(lua_State *L, int count, struct arena *arena, struct decision *d, struct err *err);

/* wye.refuse(status, message) */
int decision_refuse(lua_State *L);

void decision_register(lua_State *L);
