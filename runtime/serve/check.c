#include "serve/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/decision.h"
#include "bind/req.h"
#include "bind/scope.h"
#include "serve/check_requests.h"
#include "vm/lines.h"
#include "vm/task.h"

enum { CHECK_ARENA = 16 << 20, CHECK_ASKS = 64 };

static const char REQUEST_HEAD[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                   "Content-Type: application/json\r\nx-wye-user: u-1\r\n\r\n";

/* Text that is JSON too, so that routes which read reply.json find some. */
static const char ANSWER[] =
    "{\"id\":\"check\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"check\",\"choices\":[{\"index\":0,"
    "\"message\":{\"role\":\"assistant\",\"content\":\"{\\\"answer\\\":\\\"ok\\\"}\"},\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}}";

/* One run of one route. The scope comes first: bind/ hands it back. */
struct trial {
    struct scope scope;
    struct generation *generation;
    const struct route *route;
    struct task task;
    struct op *asked[CHECK_ASKS]; /* answered when the route waits */
    int asked_count;
    bool is_posted, is_over, has_failed;
    struct err err;
};

/* ---- the fake that answers every model ---- */

static void forget(struct op *op)
{
    (void)op;
}

static void ask(struct scope *scope, const struct model *model, const struct ask_options *options, struct reply *reply,
                struct op *op)
{
    (void)options;
    op->cancel = forget;
    struct trial *t = (struct trial *)scope;
    *reply = (struct reply){.model = model, .status = 200, .body = str_of(ANSWER), .ms = 1, .attempt = 1};
    reply->usage.is_known = true;
    reply->usage.tokens[PRICE_INPUT] = 10;
    reply->usage.tokens[PRICE_OUTPUT] = 5;
    if (t->asked_count == CHECK_ASKS)
        op_done(op); /* a route that asks this many at once has its answers early */
    else
        t->asked[t->asked_count++] = op;
}

static void note(struct scope *scope, struct str text, struct str data, struct str where)
{
    (void)scope, (void)text, (void)data, (void)where;
}

static const struct host FAKE_HOST = {.ask = ask, .note = note};

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

/* ---- one trial ---- */

static void on_done(void *ctx, struct task_result *result)
{
    struct trial *t = ctx;
    struct decision decision;
    struct err err;
    t->is_over = true;
    if (result->outcome != TASK_RETURNED) {
        t->has_failed = true;
        t->err = result->err;
        return;
    }
    if (decision_read(result->L, result->count, t->scope.view.arena, &decision, &err) == 0)
        return;
    t->has_failed = true;
    const struct manifest *files = t->generation->files;
    bool has_place = result->place != 0;
    err_set(&t->err, ERR_SCRIPT, "%s/%s:%d: %s", manifest_label(files),
            has_place ? manifest_path(files, lines_file(result->place)) : t->route->path,
            has_place ? lines_line(result->place) : 1, err.message);
}

static int push_req(lua_State *L, void *arg)
{
    req_push(L, arg);
    return 1;
}

static void answer_all(struct trial *t)
{
    int count = t->asked_count;
    t->asked_count = 0;
    for (int i = 0; i < count; i++)
        op_done(t->asked[i]);
}

/* Plays the loop until the route has decided. */
static void run(struct trial *t)
{
    task_start(&t->task, t->generation->vm, &TASK_HOST, t->route->ref, push_req, &t->scope, on_done, t);
    while (!t->is_over && (t->asked_count || t->is_posted)) {
        answer_all(t);
        if (t->is_posted) {
            t->is_posted = false;
            task_continue(&t->task);
        }
    }
    if (t->is_over)
        return;
    task_cancel(&t->task);
    t->has_failed = true;
    err_set(&t->err, ERR_SCRIPT, "the route waits for something that never comes");
}

static int try_request(struct trial *t, struct str body, struct arena *arena)
{
    static struct http_head head;
    size_t scanned = 0;
    struct http_error refused;
    const char *param;
    http_parse_request(&head, REQUEST_HEAD, sizeof REQUEST_HEAD - 1, &scanned, &refused);
    t->scope.host = &FAKE_HOST;
    t->task.owner = t;
    if (view_init(&t->scope.view, "check", &head, body, arena, &param, &t->err) < 0)
        return -1;
    run(t);
    scope_close(&t->scope);
    return t->has_failed ? -1 : 0;
}

/* ---- findings ---- */

static bool is_told(const struct check *check, const struct finding *new)
{
    for (int i = 0; i < check->count; i++) {
        const struct finding *f = &check->findings[i];
        if (f->line == new->line && strcmp(f->file, new->file) == 0 && strcmp(f->message, new->message) == 0)
            return true;
    }
    return false;
}

/* The same mistake under another request is told once. */
static void add(struct check *check, const struct finding *f)
{
    if (is_told(check, f))
        return;
    check->errors += !f->is_warning;
    if (check->count < CHECK_FINDINGS)
        check->findings[check->count++] = *f;
}

static void check_route(struct generation *g, const struct route *route, struct check *check)
{
    struct buf large = BUF(1 << 20);
    for (int i = 0; i < CHECK_REQUEST_COUNT; i++) {
        const struct check_request *request = &CHECK_REQUESTS[i];
        struct arena arena = ARENA(CHECK_ARENA);
        struct trial t = {.generation = g, .route = route};
        if (!request->body)
            check_long_body(&large);
        if (try_request(&t, request->body ? str_of(request->body) : buf_str(&large), &arena) < 0) {
            struct finding f = {0};
            snprintf(f.route, sizeof f.route, "%s", route->name);
            snprintf(f.request, sizeof f.request, "%s", request->name);
            check_place(&f, t.err.message, g->files);
            add(check, &f);
        }
        arena_clear(&arena);
    }
    buf_clear(&large);
}

int check_generation(struct generation *g, struct check *check)
{
    int before = check->errors;
    for (int i = 0; i < g->route_count; i++) {
        if (check->routes < CHECK_ROUTES)
            snprintf(check->route_names[check->routes++], sizeof *check->route_names, "%s", g->routes[i].name);
        check_route(g, &g->routes[i], check);
    }
    return check->errors - before;
}

static void warn_of_providers(const struct generation *g, struct check *check)
{
    for (int i = 0; i < g->config->provider_count; i++) {
        char words[400];
        const struct provider *p = &g->config->providers[i];
        const char *problem = generation_provider_problem(g, p, words, sizeof words);
        if (!problem || p->kind == KIND_SIM)
            continue;
        struct finding f = {.is_warning = true};
        snprintf(f.message, sizeof f.message, "%s", problem);
        add(check, &f);
    }
}

int check_project(const char *dir, struct check *check)
{
    struct err err;
    struct generation_options options = {.open = bind_open};
    check->files = manifest_new(dir);
    struct generation *g = generation_load(1, manifest_new(dir), &options, &err);
    if (!g) {
        struct finding f = {0};
        check_place(&f, err.message, check->files);
        add(check, &f);
        return check->errors;
    }
    warn_of_providers(g, check);
    check_generation(g, check);
    generation_release(g);
    return check->errors;
}

void check_clear(struct check *check)
{
    manifest_free(check->files);
    check->files = NULL;
}
