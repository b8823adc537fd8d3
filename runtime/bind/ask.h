/*
 * ask: model:ask, and one buffered ask as the acts made of several use it (gather, first, classify, pick).
 *
 * An asking lies in the request's arena. Started, it ends in op_done with `reply` filled, or is stopped: then its connection closes at once
 * and it is recorded as cancelled. What the route changes of the client's body is a list of edits, spliced into the bytes when they are sent.
 *
 *     struct ask_options *o = ask_options_new(L, scope);
 *     ask_read(L, 3, "model:ask", o);
 *     struct asking *a = ask_start(task_of(L), model, o);
 *     struct op *ops[] = {&a->op};
 *     return task_wait(L, ops, 1, 1, resume);
 */
#pragma once

#include <lua.h>

#include "bind/scope.h"

struct asking {
    struct op op;
    struct scope *scope;
    const struct model *model;
    void *group; /* of the act that asks several; it sets this */
    struct reply reply;
};

enum { ASK_MAX_MODELS = 16, ASK_MAX_EDITS = 8 };

/* The options that ask_read knows, for option_check. */
#define ASK_OPTIONS "timeout", "logprobs", "schema", "prompt", "system", "messages", "max_tokens", "temperature"
enum { ASK_OPTION_COUNT = 8 };

/* model:ask(req, opts) → reply, or nil and err{kind, message, retryable, status}. */
int ask_model(lua_State *L);

/* In the arena, with room for edits; `where` is the caller's line. */
struct ask_options *ask_options_new(lua_State *L, struct scope *scope);

/* Replaces a top-level member of what is sent; value {NULL, 0} removes it. */
void ask_edit(struct ask_options *o, const char *name, struct str value);

/* The scope of the req at `index`; where that is nil (`o` then begins from an empty body) the running one. */
struct scope *ask_scope(lua_State *L, int index, const char *what);

/* Reads the options at `index`; the req stands at index - 1. Raises for wrong ones, and when neither says what to ask. */
void ask_read(lua_State *L, int index, const char *what, struct ask_options *o);

/* response_format for a JSON schema; strict where the schema follows OpenAI's subset. */
struct str ask_format(struct arena *arena, const char *name, struct str schema, bool is_strict);

/* Emptied: for a text on its way to the arena. Kept between uses, so that a Lua error in between leaks nothing. */
struct buf *ask_scratch(void);

/* A copy in the arena; raises at its ceiling. */
struct str ask_keep(lua_State *L, struct scope *scope, struct str text);

struct asking *ask_start(struct task *task, const struct model *model, const struct ask_options *o);

/* Stops it and records it as cancelled; harmless when it is done. */
void ask_stop(struct asking *a);

/* The list of 1 to 16 models at `index`. */
int ask_models(lua_State *L, int index, const char *what, const struct model **models);

void ask_push_reply(lua_State *L, struct asking *a);
void ask_push_error(lua_State *L, const struct err *err, int status);

/* Pushes nil and such an error; returns 2. */
int ask_fail(lua_State *L, const struct err *err, int status);
