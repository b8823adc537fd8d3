#include "serve/specs.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/json.h"
#include "bind/bind.h"
#include "bind/kit.h"
#include "serve/decided.h"
#include "serve/trial.h"
#include "serve/usage.h"

enum { HEAD = 32 * 1024, ASK = 16 << 20, LONGEST_PATH = 4096 };

/* One run of the specs; `kit` and `failed` belong to the decision that is under way. */
struct specs {
    struct trial *trial;
    struct kit *kit;
    bool has_failed;
    struct err err; /* what a fake did wrong */
};

/* ---- the fakes ---- */

/* What would be sent: the client's body or the route's own, with the route's edits. */
static struct str body_of(struct trial *t, const struct ask_options *o)
{
    struct str body = o->body.p ? o->body : t->scope.view.body;
    if (o->edit_count == 0)
        return body;
    struct iovec pieces[64];
    struct buf whole = BUF(ASK);
    int count = json_splice(body, o->edits, o->edit_count, &t->arena, pieces, 64);
    for (int i = 0; i < count; i++)
        buf_append(&whole, pieces[i].iov_base, pieces[i].iov_len);
    if (count > 0)
        body = arena_str(&t->arena, buf_str(&whole));
    buf_clear(&whole);
    return body;
}

/* Fills the reply from what the test kit made of a fake's answer; {} is a model without a fake. */
static int read_answer(struct trial *t, struct trial_ask *ask, struct str answer, struct err *err)
{
    struct reply *r = ask->reply;
    struct str body = json_get(answer, "body"), name = json_text(json_get(answer, "error"), &t->arena);
    int64_t number;
    if (body.p) {
        r->status = 200;
        r->body = body;
        r->usage = usage_read(json_get(body, "usage"));
        r->usd = usage_usd(&r->usage, r->model);
    } else if (name.p) {
        enum err_kind kind = err_kind_of(name.p);
        if (kind == ERR_NONE || kind > ERR_CANCELLED)
            return err_set(err, ERR_SCRIPT, "the fake of %s: '%s' is no error kind", r->model->id, name.p);
        struct str message = json_text(json_get(answer, "message"), &t->arena);
        trial_fault(r, kind);
        if (message.p)
            snprintf(r->err.message, sizeof r->err.message, "%s", message.p);
        if (json_integer(json_get(answer, "status"), &number))
            r->status = (int)number;
    } else {
        trial_answer(t, ask);
    }
    if (json_integer(json_get(answer, "ms"), &number))
        r->ms = (unsigned)number;
    return 0;
}

static void answer(struct trial *t, struct trial_ask *ask)
{
    struct specs *s = t->arg;
    struct buf text = BUF(ASK);
    struct str answer;
    decided_ask(&text, ask, (int)(ask - t->asks) + 1);
    buf_puts(&text, ",\"body\":");
    struct str body = body_of(t, &ask->options);
    buf_append(&text, body.p, body.len);
    buf_putc(&text, '}');
    struct err err;
    bool is_answered = !s->has_failed && kit_answer(s->kit, buf_str(&text), &t->arena, &answer, &err) == 0 &&
                       read_answer(t, ask, answer, &err) == 0;
    buf_clear(&text);
    if (is_answered)
        return;
    trial_fault(ask->reply, ERR_SYSTEM);
    if (!s->has_failed)
        s->err = err;
    s->has_failed = true;
}

/* ---- one decision ---- */

static void write_head(struct buf *out, struct str headers, struct arena *arena)
{
    buf_puts(out, "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n");
    for (struct json_walk w = json_walk(headers); json_next(&w);) {
        struct str value = json_text(w.value, arena);
        buf_printf(out, STR_FMT ": " STR_FMT "\r\n", STR_ARG(w.key), STR_ARG(value));
    }
    buf_puts(out, "\r\n");
}

static const struct route *find_route(struct generation *g, struct str name, struct err *err)
{
    const char *names[256], *near;
    const struct route *route = generation_route(g, name);
    int count = g->route_count < 256 ? g->route_count : 256;
    if (route)
        return route;
    for (int i = 0; i < count; i++)
        names[i] = g->routes[i].name;
    near = name.p ? vm_near(name.p, names, count) : NULL;
    err_set(err, ERR_SCRIPT, "no route '%s'%s%s%s", name.p ? name.p : "", near ? " (did you mean '" : "", near ? near : "",
            near ? "'?)" : "");
    return NULL;
}

static int decide(void *arg, struct kit *kit, struct str call, struct arena *arena, struct buf *out, struct err *err)
{
    struct specs *s = arg;
    struct trial *t = s->trial;
    const struct route *route = find_route(t->generation, json_text(json_get(call, "route"), arena), err);
    if (!route)
        return -1;
    struct buf head = BUF(HEAD);
    write_head(&head, json_get(call, "headers"), arena);
    t->head = arena_str(arena, buf_str(&head));
    buf_clear(&head);
    s->kit = kit;
    s->has_failed = false;
    trial_run(t, route, json_get(call, "request"));
    if (s->has_failed) {
        *err = s->err;
        return -1;
    }
    if (t->has_failed && t->err.kind == ERR_BAD_REQUEST)
        return err_set(err, ERR_BAD_REQUEST, "the request is refused before any route runs: %s", t->err.message);
    decided_write(out, t);
    return 0;
}

/* ---- the run ---- */

int specs_run(const char *dir, bool as_json, struct err *err)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    char folder[LONGEST_PATH];
    struct stat st;
    struct specs s = {0};
    snprintf(folder, sizeof folder, "%s/specs", dir);
    if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
        err_set(err, ERR_SYSTEM, "there are no specs in %s: write %s/NAME_spec.lua", dir, folder);
        return KIT_BROKEN;
    }
    struct generation *g = generation_load(1, manifest_new(dir), &OPTIONS, err);
    if (!g)
        return KIT_BROKEN;
    s.trial = trial_new(g);
    s.trial->answer = answer;
    s.trial->arg = &s;
    const char *args[] = {folder, "-o", "json"};
    int outcome = kit_run(args, as_json ? 3 : 1, decide, &s, err);
    trial_free(s.trial);
    generation_release(g);
    return outcome;
}
