#include "bind/ask.h"

#include <lauxlib.h>
#include <stdio.h>

#include "base/json.h"
#include "base/list.h"
#include "bind/model.h"
#include "bind/option.h"
#include "bind/req.h"
#include "bind/tree.h"
#include "bind/validator.h"

enum { MAX_TEXT = 8 << 20, MAX_TOKENS = 1 << 20, MAX_ALTERNATIVES = 20 };

static const char *const OPTIONS[ASK_OPTION_COUNT] = {ASK_OPTIONS};

static struct buf scratch = BUF(MAX_TEXT);

struct buf *ask_scratch(void)
{
    buf_reset(&scratch);
    return &scratch;
}

/* ---- options ---- */

struct ask_options *ask_options_new(lua_State *L, struct scope *scope)
{
    struct ask_options *o = arena_need(scope->view.arena, sizeof *o);
    o->edits = arena_need(scope->view.arena, ASK_MAX_EDITS * sizeof *o->edits);
    o->where = ask_keep(L, scope, scope_where(L));
    return o;
}

void ask_edit(struct ask_options *o, const char *name, struct str value)
{
    o->edits[o->edit_count++] = (struct json_edit){name, value};
}

struct str ask_keep(lua_State *L, struct scope *scope, struct str text)
{
    struct str kept = arena_str(scope->view.arena, text);
    if (kept.p == NULL)
        luaL_error(L, "the request's memory is used up");
    return kept;
}

struct scope *ask_scope(lua_State *L, int index, const char *what)
{
    return lua_isnil(L, index) ? scope_of(L, what) : req_check(L, index);
}

static void check_written(lua_State *L, const char *what, const char *name, int result)
{
    if (result < 0)
        luaL_error(L, "%s: %s is over %d MiB as JSON or nested too deeply", what, name, MAX_TEXT >> 20);
}

static bool are_messages(struct str json)
{
    int count = 0;
    if (json_type(json) != JSON_ARRAY)
        return false;
    for (struct json_walk w = json_walk(json); json_next(&w); count++)
        if (json_type(json_get(w.value, "role")) != JSON_STRING)
            return false;
    return count > 0;
}

/* The messages that the options give, as JSON; {NULL, 0} when they give none. */
static struct str given_messages(lua_State *L, int index, const char *what, struct scope *scope)
{
    struct str prompt;
    buf_reset(&scratch);
    bool has_prompt = option_text(L, index, what, "prompt", &prompt);
    int type = option_push(L, index, "messages");
    if (has_prompt && type != LUA_TNIL)
        luaL_error(L, "%s: give prompt or messages, not both", what);
    if (has_prompt) {
        buf_puts(&scratch, "[{\"role\":\"user\",\"content\":");
        check_written(L, what, "prompt", json_quote(&scratch, prompt));
        buf_puts(&scratch, "}]");
    } else if (type == LUA_TNIL) {
        return str_n(NULL, 0);
    } else {
        check_written(L, what, "messages", tree_write(L, -1, &scratch));
        lua_pop(L, 1);
        if (!are_messages(buf_str(&scratch)))
            luaL_error(L, "%s: messages must be a list of tables with a role", what);
    }
    return ask_keep(L, scope, buf_str(&scratch));
}

static bool is_system(struct str message)
{
    struct str role = json_plain(json_get(message, "role"));
    return str_eq(role, "system") || str_eq(role, "developer");
}

/* `messages` under another system prompt: theirs go, all others stay as they are. */
static struct str under_system(lua_State *L, const char *what, struct scope *scope, struct str system, struct str messages)
{
    int result = 0;
    buf_reset(&scratch);
    buf_puts(&scratch, "[{\"role\":\"system\",\"content\":");
    check_written(L, what, "system", json_quote(&scratch, system));
    buf_putc(&scratch, '}');
    for (struct json_walk w = json_walk(messages); json_next(&w) && result == 0;) {
        if (is_system(w.value))
            continue;
        buf_putc(&scratch, ',');
        result = buf_append(&scratch, w.value.p, w.value.len);
    }
    check_written(L, what, "messages", result < 0 ? -1 : buf_putc(&scratch, ']'));
    return ask_keep(L, scope, buf_str(&scratch));
}

static void read_messages(lua_State *L, int index, const char *what, struct scope *scope, struct ask_options *o)
{
    struct str system, messages = given_messages(L, index, what, scope);
    struct err err;
    if (!lua_isnil(L, index - 1))
        view_chat(&scope->view, &err); /* where that fails, so does the call */
    if (lua_isnil(L, index - 1)) {
        if (messages.p == NULL)
            luaL_error(L, "%s needs req, or prompt or messages among the options", what);
        o->body = str_of("{}");
    }
    if (option_text(L, index, what, "system", &system))
        messages = under_system(L, what, scope, system, messages.p ? messages : scope->view.messages);
    if (messages.p)
        ask_edit(o, "messages", messages);
}

struct str ask_format(struct arena *arena, const char *name, struct str schema, bool is_strict)
{
    struct str text = arena_str(arena, schema); /* ends in a NUL */
    return arena_join(arena, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"", name, "\",",
                      is_strict ? "\"strict\":true," : "", "\"schema\":", text.p ? text.p : "{}", "}}", (char *)NULL);
}

static void read_schema(lua_State *L, int index, const char *what, struct scope *scope, struct ask_options *o)
{
    int type = option_push(L, index, "schema");
    struct str text;
    struct err err;
    if (type == LUA_TNIL)
        return;
    buf_reset(&scratch);
    const struct schema *schema = validator_at(L, lua_gettop(L));
    if (schema || type == LUA_TSTRING) {
        text.p = schema ? NULL : lua_tolstring(L, -1, &text.len);
        text = schema ? schema_text(schema) : text;
        check_written(L, what, "schema", buf_append(&scratch, text.p, text.len));
        if (json_validate(buf_str(&scratch), &err) < 0)
            luaL_error(L, "%s: schema is no JSON: %s", what, err.message);
    } else {
        check_written(L, what, "schema", tree_write(L, -1, &scratch));
    }
    lua_pop(L, 1);
    if (json_type(buf_str(&scratch)) != JSON_OBJECT)
        luaL_error(L, "%s: schema must be a JSON schema: a table, or an object as text", what);
    struct str format = ask_format(scope->view.arena, "answer", buf_str(&scratch), false);
    ask_edit(o, "response_format", ask_keep(L, scope, format));
}

/* true: the log probability of each token; a number: those of so many alternatives to it too. */
static void read_logprobs(lua_State *L, int index, const char *what, struct arena *arena, struct ask_options *o)
{
    int type = option_push(L, index, "logprobs");
    if (type == LUA_TNIL)
        return;
    bool is_wanted = lua_toboolean(L, -1);
    int count = type == LUA_TNUMBER ? (int)lua_tointeger(L, -1) : 0;
    if (type == LUA_TNUMBER && !(count >= 1 && count <= MAX_ALTERNATIVES && lua_tonumber(L, -1) == count))
        luaL_error(L, "%s: logprobs must be true, or a whole number from 1 to %d of alternatives to each token", what, MAX_ALTERNATIVES);
    lua_pop(L, 1);
    if (is_wanted)
        ask_edit(o, "logprobs", str_of("true"));
    if (count)
        ask_edit(o, "top_logprobs", str_of(arena_printf(arena, "%d", count)));
}

void ask_read(lua_State *L, int index, const char *what, struct ask_options *o)
{
    struct scope *scope = ask_scope(L, index - 1, what);
    struct arena *arena = scope->view.arena;
    double temperature;
    int tokens;
    read_messages(L, index, what, scope, o);
    read_schema(L, index, what, scope, o);
    option_seconds(L, index, what, "timeout", &o->timeout_ms);
    read_logprobs(L, index, what, arena, o);
    if (option_number(L, index, what, "temperature", 0, 2, &temperature))
        ask_edit(o, "temperature", str_of(arena_printf(arena, "%.6g", temperature)));
    if (option_integer(L, index, what, "max_tokens", 1, MAX_TOKENS, &tokens)) {
        ask_edit(o, "max_tokens", str_of(arena_printf(arena, "%d", tokens)));
        ask_edit(o, "max_completion_tokens", str_n(NULL, 0));
    }
}

int ask_models(lua_State *L, int index, const char *what, const struct model **models)
{
    luaL_checktype(L, index, LUA_TTABLE);
    int count = (int)lua_objlen(L, index);
    if (count < 1 || count > ASK_MAX_MODELS)
        luaL_error(L, "%s takes 1 to %d models, not %d", what, ASK_MAX_MODELS, count);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, index, i + 1);
        models[i] = model_at(L, -1);
        if (models[i] == NULL)
            luaL_error(L, "%s: item %d is a %s, not a model", what, i + 1, luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    return count;
}

/* ---- in flight ---- */

struct asking *ask_start(struct task *task, const struct model *model, const struct ask_options *o)
{
    struct scope *scope = task->owner;
    struct asking *a = arena_need(scope->view.arena, sizeof *a);
    a->scope = scope;
    a->model = model;
    a->op.task = task;
    scope->host->ask(scope, model, o, &a->reply, &a->op);
    return a;
}

void ask_stop(struct asking *a)
{
    if (a->op.is_done)
        return;
    a->op.cancel(&a->op);
    a->op.is_done = true;
}

/* ---- results ---- */

void ask_push_reply(lua_State *L, struct asking *a)
{
    scope_push(L, a->scope, &a->reply, METATABLE_REPLY);
}

void ask_push_error(lua_State *L, const struct err *err, int status)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, err_kind_name(err->kind));
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, err->message);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, err->retryable);
    lua_setfield(L, -2, "retryable");
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
}

int ask_fail(lua_State *L, const struct err *err, int status)
{
    lua_pushnil(L);
    ask_push_error(L, err, status);
    return 2;
}

static int push_answer(lua_State *L, struct task *task)
{
    struct asking *a = LIST_ENTRY(task->ops[0], struct asking, op);
    if (a->reply.err.kind != ERR_NONE)
        return ask_fail(L, &a->reply.err, a->reply.status);
    ask_push_reply(L, a);
    return 1;
}

int ask_model(lua_State *L)
{
    const struct model *model = model_at(L, 1);
    if (model == NULL)
        return luaL_error(L, "call it as model:ask(req), with a colon");
    if (lua_istable(L, 2)) { /* model:ask{ prompt = … } */
        lua_pushnil(L);
        lua_insert(L, 2);
    }
    lua_settop(L, 3);
    struct scope *scope = ask_scope(L, 2, "model:ask");
    task_check_wait(L);
    option_check(L, 3, "model:ask's options", OPTIONS, ASK_OPTION_COUNT);
    struct ask_options *o = ask_options_new(L, scope);
    ask_read(L, 3, "model:ask", o);
    struct op *ops[] = {&ask_start(task_of(L), model, o)->op};
    return task_wait(L, ops, 1, 1, push_answer);
}
