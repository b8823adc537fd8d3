#include "trial/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "bind/experiment.h"
#include "bind/req.h"
#include "bind/shadow.h"
#include "bind/translation.h"
#include "serve/body.h"
#include "serve/outbound.h"
#include "vm/lines.h"

enum { TRIAL_ARENA = 16 << 20, COMPLETION = 1 << 20, ASK_MAX = 16 << 20, INPUT_TOKENS = 10, OUTPUT_TOKENS = 5, ASK_PIECES = 96, PLACE = 512 };

static const char PLAIN_FIELDS[] = "{\"content-type\":\"application/json\",\"x-wye-user\":\"u-1\"}";

/* What a provider would have said with each kind. */
static const int STATUS[ERR_KIND_COUNT] = {
    [ERR_RATE_LIMIT] = 429,  [ERR_OVERLOADED] = 503,     [ERR_SERVER_ERROR] = 500,
    [ERR_AUTH] = 401,        [ERR_BAD_REQUEST] = 400,    [ERR_CONTENT_FILTER] = 400,
};

void trial_text(struct trial *t, struct reply *reply, struct str text)
{
    struct buf body = BUF(COMPLETION);
    buf_puts(&body, "{\"id\":\"trial\",\"object\":\"chat.completion\",\"created\":1,\"model\":");
    json_quote(&body, str_of(reply->model->name));
    buf_puts(&body, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    json_quote(&body, text);
    buf_puts(&body, "},\"finish_reason\":\"stop\"}],"
                    "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}}");
    reply->status = 200;
    reply->body = arena_str(&t->arena, buf_str(&body));
    reply->usage.is_known = true;
    reply->usage.tokens[PRICE_INPUT] = INPUT_TOKENS;
    reply->usage.tokens[PRICE_OUTPUT] = OUTPUT_TOKENS;
    buf_clear(&body);
}

void trial_head(struct http_head *head, enum protocol protocol, struct str fields, struct arena *arena)
{
    static const char *const TARGETS[] = {"/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings"};
    head->method = str_of("POST");
    head->target = str_of(TARGETS[protocol]);
    head->minor = 1;
    head->count = 0;
    for (struct json_walk w = json_walk(fields); json_next(&w) && head->count < HTTP_MAX_FIELDS;) {
        struct str value = json_plain(w.value);
        head->fields[head->count++] = (struct http_field){w.key, value.p ? value : json_text(w.value, arena)};
    }
}

/* The schema that the ask wants its answer to follow; {NULL, 0}: none. */
static struct str schema_of(const struct ask_options *o)
{
    for (int i = 0; i < o->edit_count; i++)
        if (strcmp(o->edits[i].name, "response_format") == 0)
            return json_pointer(o->edits[i].value, "/json_schema/schema");
    return str_n(NULL, 0);
}

/* A value that follows a plain schema: the first of what it lists, else the emptiest of its type. */
static void write_sample(struct buf *out, struct str schema)
{
    struct str first = json_pointer(schema, "/enum/0"), type = json_plain(json_get(schema, "type"));
    if (first.p) {
        buf_append(out, first.p, first.len);
    } else if (str_eq(type, "object")) {
        char before = '{';
        for (struct json_walk w = json_walk(json_get(schema, "properties")); json_next(&w); before = ',') {
            buf_printf(out, "%c\"" STR_FMT "\":", before, STR_ARG(w.key));
            write_sample(out, w.value);
        }
        buf_puts(out, before == '{' ? "{}" : "}");
    } else {
        buf_puts(out, str_eq(type, "array")     ? "[]"
                      : str_eq(type, "boolean") ? "true"
                      : str_eq(type, "number") || str_eq(type, "integer") ? "1" : "\"ok\"");
    }
}

void trial_answer(struct trial *t, struct trial_ask *ask)
{
    struct str schema = schema_of(&ask->options);
    struct buf text = BUF(COMPLETION);
    if (schema.p && json_type(schema) == JSON_OBJECT)
        write_sample(&text, schema);
    else
        buf_puts(&text, "{\"answer\":\"ok\"}");
    trial_text(t, ask->reply, buf_str(&text));
    buf_clear(&text);
}

struct str trial_body(struct trial *t, const struct trial_ask *ask)
{
    struct view *v = &t->scope.view;
    struct err err;
    struct json_edit edits[BODY_ASK_EDITS];
    struct str own = ask->options.body, body = own.p ? own : view_chat(v, &err) == 0 ? v->chat : v->body;
    int edit_count = body_ask_edits(ask->model, &ask->options, own.p ? json_get(own, "messages") : v->messages, &t->arena, edits);
    if (edit_count == 0)
        return body;
    struct iovec pieces[ASK_PIECES];
    struct buf whole = BUF(ASK_MAX);
    int count = json_splice(body, edits, edit_count, &t->arena, pieces, ASK_PIECES);
    for (int i = 0; i < count; i++)
        buf_append(&whole, pieces[i].iov_base, pieces[i].iov_len);
    if (count > 0)
        body = arena_str(&t->arena, buf_str(&whole));
    buf_clear(&whole);
    return body;
}

void trial_fault(struct reply *reply, enum err_kind kind)
{
    err_set(&reply->err, kind, "%s answers %s", reply->model->id, err_kind_name(kind));
    reply->err.retryable = kind == ERR_RATE_LIMIT || kind == ERR_OVERLOADED || kind == ERR_SERVER_ERROR ||
                           kind == ERR_CONNECT || kind == ERR_TIMEOUT;
    reply->status = STATUS[kind];
}

/* ---- what bind/ reaches ---- */

/* An ask that the route no longer waits for. */
static void forget(struct op *op)
{
    struct trial *t = op->task->owner;
    for (int i = t->next ? 0 : t->answered; i < t->ask_count; i++)
        if (t->asks[i].op == op) {
            t->asks[i].op = NULL;
            err_set(&t->asks[i].reply->err, ERR_CANCELLED, "the route needs it no longer");
        }
    for (int i = 0; i < t->pause_count; i++)
        if (t->pauses[i].op == op)
            t->pauses[i].op = NULL;
}

static void ask(struct scope *scope, const struct model *model, const struct ask_options *options, struct reply *reply,
                struct op *op)
{
    struct trial *t = (struct trial *)scope;
    op->cancel = forget;
    *reply = (struct reply){.model = model, .ms = 1, .attempt = t->ask_count + 1};
    if (t->ask_count == TRIAL_MOST_ASKS) {
        t->is_endless = true; /* and never answered */
        err_set(&t->err, ERR_SCRIPT, STR_FMT ": the route asks on and on: %d asks, and no decision",
                STR_ARG(options->where), TRIAL_MOST_ASKS);
        return;
    }
    struct trial_ask *a = &t->asks[t->ask_count++];
    *a = (struct trial_ask){model, *options, reply, op, ++t->operations};
    a->options.where = arena_str(&t->arena, options->where);
}

/* Answers come at once, so a pause between asks never ends first, unless the caller says what does. */
static void rest(struct scope *scope, unsigned ms, struct op *op)
{
    struct trial *t = (struct trial *)scope;
    op->cancel = forget;
    t->operations++;
    if (t->pause_count < TRIAL_PAUSES)
        t->pauses[t->pause_count++] = (struct trial_pause){ms, op, t->operations};
}

static void note(struct scope *scope, struct str text, struct str data, struct str where)
{
    struct trial *t = (struct trial *)scope;
    struct arena *a = &t->arena;
    if (t->note_count < TRIAL_NOTES)
        t->notes[t->note_count++] = (struct trial_note){arena_str(a, text), arena_str(a, data), arena_str(a, where)};
}

static void expose(struct scope *scope, const struct exposure *e)
{
    struct trial *t = (struct trial *)scope;
    const struct experiment_source *source = &e->binding->source;
    if (t->arm_count < TRIAL_ARMS)
        t->arms[t->arm_count++] = (struct trial_arm){source->name, source->arms[e->arm], e->p};
}

static bool takes_shadow(struct scope *scope, double rate)
{
    struct trial *t = (struct trial *)scope;
    (void)rate;
    return !t->is_shadow && ++t->shadow_calls == t->shadow;
}

static void shadow(struct scope *scope, int rule, const struct shadow_call *call)
{
    struct trial *t = (struct trial *)scope;
    t->shadow_rule = rule;
    t->shadow_where = arena_str(&t->arena, call->where);
}

static const struct host TRIAL_HOST = {.ask = ask, .sleep = rest, .note = note, .expose = expose, .takes_shadow = takes_shadow, .shadow = shadow};

static void post(void *arg, struct task *task)
{
    (void)arg;
    ((struct trial *)task->owner)->is_posted = true;
}

static void unpost(void *arg, struct task *task)
{
    (void)arg;
    ((struct trial *)task->owner)->is_posted = false;
}

static const struct task_host TASK_HOST = {.post = post, .unpost = unpost};

/* ---- the run ---- */

/* Of a rule that ended without a `return` the newest one is another function's: its own first line stands in. */
static void place_of(const struct trial *t, const struct task_result *result, char *out, size_t size)
{
    const struct manifest *files = t->generation->files;
    if (result->count > 0 && result->place)
        snprintf(out, size, "%s/%s:%d", manifest_label(files), manifest_path(files, lines_file(result->place)), lines_line(result->place));
    else if (!vm_function_place(t->generation->vm, t->is_shadow ? t->shadow_rule : t->route->ref, out, size))
        snprintf(out, size, "%s/%s:1", manifest_label(files), t->route->path);
}

static void read_decision(struct trial *t, struct task_result *result)
{
    struct err err;
    t->place = result->place;
    if (decision_read(result->L, result->count, &t->arena, &t->decision, &err) == 0)
        return;
    char place[PLACE];
    place_of(t, result, place, sizeof place);
    t->has_failed = true;
    err_set(&t->err, ERR_SCRIPT, "%s: %s", place, err.message);
}

static void on_done(void *ctx, struct task_result *result)
{
    struct trial *t = ctx;
    t->is_over = true;
    if (result->outcome == TASK_RETURNED) {
        t->is_arms = t->scope.arms_choice && result->count > 0 && lua_topointer(result->L, 1) == t->scope.arms_choice;
        t->rule_place = t->is_arms ? t->scope.arms_place : result->place;
        read_decision(t, result);
        return;
    }
    t->has_failed = true;
    t->is_endless = result->outcome == TASK_OVER_TIME;
    t->err = result->err;
}

static int push_req(lua_State *L, void *arg)
{
    req_push(L, arg);
    return 1;
}

/* Outside any slice of the route: what the caller does to answer is not counted as the route's time. */
static bool answer_next(struct trial *t)
{
    if (t->next) {
        struct op *op = t->next(t, false);
        if (op)
            op_done(op);
        return op;
    }
    if (t->answered == t->ask_count)
        return false;
    struct trial_ask *a = &t->asks[t->answered++];
    if (t->answered > TRIAL_ASKS)
        trial_fault(a->reply, ERR_LIMIT);
    else
        t->answer(t, a);
    if (a->op)
        op_done(a->op);
    return true;
}

/* Plays the loop until the rule has decided. */
static void play(struct trial *t, int rule)
{
    t->ask_count = t->answered = t->operations = t->pause_count = t->note_count = t->arm_count = t->place = t->rule_place = 0;
    t->is_posted = t->is_over = t->has_failed = t->is_arms = t->is_endless = false;
    task_start(&t->task, t->generation->vm, &TASK_HOST, rule, push_req, &t->scope, on_done, t);
    while (!t->is_over) {
        bool is_moving = answer_next(t);
        for (struct op *op; t->is_posted && t->next && (op = t->next(t, true));)
            op_done(op);
        if (t->is_posted) {
            t->is_posted = false;
            task_continue(&t->task);
        } else if (!is_moving) {
            break;
        }
    }
    if (t->is_over)
        return;
    task_cancel(&t->task);
    t->has_failed = true;
    if (!t->is_endless)
        err_set(&t->err, ERR_SCRIPT, "the route waits for something that never comes");
}

static void play_shadow(struct trial *t)
{
    t->is_shadow = true;
    play(t, t->shadow_rule);
    shadow_forget(t->generation->vm, t->shadow_rule);
}

/* One host VM for all trials that there are: it keeps nothing of a request. */
static struct translator *host;
static int trial_count;

static struct str to_chat(struct view *v, struct err *err)
{
    if (host == NULL)
        host = translator_new(err);
    return host ? outbound_chat_by(host, v, err) : str_n(NULL, 0);
}

int trial_run(struct trial *t, const struct route *route, struct str body)
{
    static struct http_head plain;
    const char *param;
    arena_reset(&t->arena);
    t->route = route;
    t->scope.seed = 0;
    t->scope.tape = NULL;
    t->scope.reads = 0;
    t->shadow_calls = t->shadow_rule = t->ask_count = t->note_count = t->arm_count = 0;
    t->is_shadow = false;
    t->task.owner = t;
    t->scope.limit.is_set = t->scope.is_exposed = false;
    t->scope.arms_choice = NULL;
    if (!t->head)
        trial_head(&plain, t->protocol, str_of(PLAIN_FIELDS), &t->arena);
    if (view_init(&t->scope.view, t->protocol, "trial", t->head ? t->head : &plain, body, &t->arena, &param, &t->err) < 0) {
        t->has_failed = true;
        return -1;
    }
    t->scope.view.to_chat = t->protocol == PROTOCOL_EMBEDDINGS ? NULL : to_chat;
    if (t->prepare)
        t->prepare(t);
    play(t, t->route->ref);
    if (t->shadow_rule)
        play_shadow(t);
    scope_close(&t->scope);
    return t->has_failed ? -1 : 0;
}

struct trial *trial_new(struct generation *g)
{
    struct trial *t = xcalloc(1, sizeof *t);
    trial_count++;
    t->generation = g;
    t->scope.host = &TRIAL_HOST;
    t->arena = ARENA(TRIAL_ARENA);
    return t;
}

void trial_free(struct trial *t)
{
    if (--trial_count == 0 && host) {
        translator_free(host);
        host = NULL;
    }
    arena_clear(&t->arena);
    free(t);
}
