/*
 * scope: the request that a running route belongs to, as bind/ sees it.
 *
 * serve/ embeds it in its request and hands in `host`: the acts that reach outside Lua. Objects that
 * Lua holds of a request (req, replies) are handles: when the request ends they go dead, and using
 * one raises instead of reading freed memory.
 */
#pragma once

#include <lua.h>

#include "base/json.h"
#include "bind/field.h"
#include "bind/reply.h"
#include "bind/view.h"
#include "vm/config.h"
#include "vm/task.h"

struct scope;
struct table;
struct tape;
struct exposure;

/* What wye.shadow was called with. */
struct shadow_call {
    struct str where; /* "file:line" of the call */
    bool answers;     /* its decision is to be answered, too */
    double usd;       /* what an answer may cost; 0: no limit of its own */
};

/* What an attempt is for: the word in the trace. */
#define PURPOSES(X) X(ASK, "ask") X(SERVE, "serve") X(CLASSIFY, "classify") X(JUDGE, "judge") X(HEDGE, "hedge")

enum purpose {
#define X(name, text) PURPOSE_##name,
    PURPOSES(X)
#undef X
};

/* All views lie in the arena, or are constants. */
struct ask_options {
    struct str where; /* of the call: "routes/route.lua:12" */
    enum purpose purpose;
    unsigned timeout_ms; /* 0: the host's default */
    struct str body;     /* an object to send instead of the client's; {NULL, 0}: the client's */
    struct json_edit *edits; /* to its members but model, stream and stream_options */
    int edit_count;
};

struct host {
    /*
     * Starts asking `model`; fills `reply` (zeroed, in the scope's arena), then op_done(op). Never at once. op->cancel
     * ends the call and records it.
     */
    void (*ask)(struct scope *scope, const struct model *model, const struct ask_options *options,
                struct reply *reply, struct op *op);
    /* op_done(op) after `ms`, never at once. */
    void (*sleep)(struct scope *scope, unsigned ms, struct op *op);
    /* How long 95 % of the model's buffered answers took lately; 0: too few to say. NULL: nothing is known of models. */
    unsigned (*p95_ms)(const struct scope *scope, const struct model *model);
    /* wye.note: `data` is JSON or {NULL, 0}; `where` as above. */
    void (*note)(struct scope *scope, struct str text, struct str data, struct str where);
    /* What wye.kv keeps its values in; NULL where the host shares none. */
    struct table *(*kv)(struct scope *scope);
    /* The name of the client's key; NULL when it has none. NULL: keys are unknown here. */
    const char *(*key)(struct scope *scope);
    /* wye.metric. NULL where nobody keeps it. */
    void (*metric)(struct scope *scope, struct str name, double value);
    /* An arm of an experiment was taken and its rule runs now. NULL where nobody is exposed to anything. */
    void (*expose)(struct scope *scope, const struct exposure *exposure);
    /* That is read, and what would be written to it is dropped. */
    bool kv_is_fixed;
    /* wye.shadow: is one of this rate to run? Then its function (registry, the host's to unref) and the call. NULL where none runs. */
    bool (*takes_shadow)(struct scope *scope, double rate);
    void (*shadow)(struct scope *scope, int rule, const struct shadow_call *call);
};

/* What req:limit allows the request; below 0: without limit. */
struct limit {
    bool is_set; /* false: none of them */
    double usd, seconds;
    int attempts;
    int64_t tokens;
};

struct scope {
    const struct host *host;
    struct view view;
    struct limit limit;
    uint64_t serial; /* of the request: handles carry it; goes up when the request ends */
    uint64_t seed;   /* where wye.random stands: begins as the decision's number */
    struct tape *tape; /* records or plays what the route learns (tape.h); NULL: neither */
    uint32_t reads;  /* bit for each field of req that the route looked at, as req.h numbers them */
    bool is_exposed;         /* to the arm whose rule ran last */
    const void *arms_choice; /* what that rule returned (lua_topointer); NULL: nothing, or it exposed nobody */
    int arms_place;          /* of its return (vm/lines.h) */
};

/* The scope of the running coroutine; raises "works only while a request is served" while loading. */
struct scope *scope_of(lua_State *L, const char *what);

/* "file:line" of the Lua code that called the running C function; pushed on the stack to keep it alive. */
struct str scope_where(lua_State *L);

/* Pushes a handle on `p` with the named metatable. */
void scope_push(lua_State *L, struct scope *scope, void *p, enum metatable m);

/* What the handle at `index` points to; raises when it is another type or its request has ended. */
void *scope_check(lua_State *L, int index, enum metatable m);

/* Kills all handles: the request ends. The struct itself must stay readable as long as the VM lives. */
void scope_close(struct scope *scope);
