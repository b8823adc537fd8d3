#include "trial/specs.h"

#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/json.h"
#include "bind/bind.h"
#include "bind/kit.h"
#include "trial/decided.h"
#include "trial/staged.h"
#include "serve/usage.h"

enum { ASK = 16 << 20, LONGEST_PATH = 4096, REPORT = 16 << 20 };

/* One run of the specs; `kit` and `failed` belong to the decision that is under way. */
struct specs {
    struct trial *trial;
    struct staged staged;
    struct kit *kit;
    bool has_failed;
    struct err err; /* what a fake did wrong */
};

/* ---- the fakes ---- */

/* Fills the reply from what the test kit made of a fake's answer; {} is a model without a fake. */
static int read_answer(struct trial *t, struct trial_ask *ask, struct str answer, struct err *err)
{
    struct reply *r = ask->reply;
    struct str body = json_get(answer, "body"), name = json_text(json_get(answer, "error"), &t->arena);
    int64_t number;
    if (body.p) {
        r->status = 200;
        r->body = json_type(body) == JSON_STRING ? json_text(body, &t->arena) : body;
        if (json_validate(r->body, NULL) < 0)
            return err_set(err, ERR_SCRIPT, "the fake of %s: its body is no JSON", r->model->id);
        body = r->body;
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
        struct str retryable = json_get(answer, "retryable");
        r->err.retryable = retryable.p ? json_is_true(retryable) : r->err.retryable;
        if (json_integer(json_get(answer, "status"), &number))
            r->status = (int)number;
    } else {
        trial_answer(t, ask);
    }
    if (json_integer(json_get(answer, "ms"), &number))
        r->ms = (unsigned)number;
    staged_answered(&((struct specs *)t->arg)->staged, ask, answer);
    return 0;
}

static void answer(struct trial *t, struct trial_ask *ask)
{
    struct specs *s = t->arg;
    struct buf text = BUF(ASK);
    struct str answer;
    decided_ask(&text, ask, (int)(ask - t->asks) + 1);
    buf_puts(&text, ",\"body\":");
    struct str body = trial_body(t, ask);
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

/* A fake of a model that the project does not have would never be asked. */
static int check_fakes(const struct config *c, struct str names, struct arena *arena, struct err *err)
{
    for (struct json_walk w = json_walk(names); json_next(&w);) {
        const char *near = NULL, *name = json_text(w.value, arena).p;
        if (name == NULL || config_model(c, name))
            continue;
        bool has_near = config_near_models(c, name, &near, 1) > 0;
        return err_set(err, ERR_SCRIPT, "fake: no model '%s' in wye.lua%s%s%s", name, has_near ? " (did you mean '" : "", has_near ? near : "", has_near ? "'?)" : "");
    }
    return 0;
}

static int decide(void *arg, struct kit *kit, struct str call, struct arena *arena, struct buf *out, struct err *err)
{
    struct specs *s = arg;
    struct trial *t = s->trial;
    const struct route *route = find_route(t->generation, json_text(json_get(call, "route"), arena), err);
    if (!route || check_fakes(t->generation->config, json_get(call, "fakes"), arena, err) < 0 || staged_open(&s->staged, t, call, arena, err) < 0)
        return -1;
    struct str request = json_get(call, "request");
    s->kit = kit;
    s->has_failed = false;
    trial_run(t, route, json_type(request) == JSON_STRING ? json_text(request, arena) : request);
    if (s->has_failed) {
        *err = s->err;
        return -1;
    }
    if (t->has_failed && t->err.kind == ERR_BAD_REQUEST)
        return err_set(err, ERR_BAD_REQUEST, "the request is refused before any route runs: %s", t->err.message);
    if (t->shadow && !t->is_shadow)
        return err_set(err, ERR_SCRIPT, "the route called wye.shadow %d times, not %d", t->shadow_calls, t->shadow);
    decided_write(out, t);
    out->len--; /* its closing brace: more follows */
    buf_puts(out, ",\"experiments\":");
    staged_tell(&s->staged, out);
    buf_putc(out, '}');
    return 0;
}

static void prepare(struct trial *t)
{
    staged_prepare(&((struct specs *)t->arg)->staged);
}

/* ---- the run ---- */

static bool has_specs(const char *dir, char *folder, size_t size)
{
    struct stat st;
    snprintf(folder, size, "%s/specs", dir);
    return stat(folder, &st) == 0 && S_ISDIR(st.st_mode);
}

bool specs_exist(const char *dir)
{
    char folder[LONGEST_PATH], *roots[] = {folder, NULL};
    bool is_there = false;
    FTS *all = has_specs(dir, folder, sizeof folder) ? fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL) : NULL;
    for (FTSENT *file; all && !is_there && (file = fts_read(all));)
        is_there = file->fts_info == FTS_F && file->fts_name[0] != '.' && strstr(file->fts_name, "_spec");
    if (all)
        fts_close(all);
    return is_there;
}

static int run(struct generation *g, const char *folder, bool as_json, struct err *err)
{
    const char *args[] = {folder, "-o", "json"};
    struct specs s = {.trial = trial_new(g)};
    s.trial->answer = answer;
    s.trial->prepare = prepare;
    s.trial->arg = &s;
    int outcome = kit_run(args, as_json ? 3 : 1, decide, &s, err);
    trial_free(s.trial);
    return outcome;
}

int specs_run(const char *dir, bool as_json, struct err *err)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    char folder[LONGEST_PATH];
    has_specs(dir, folder, sizeof folder);
    struct generation *g = generation_load(1, manifest_new(dir), &OPTIONS, err);
    if (!g)
        return KIT_BROKEN;
    int outcome = run(g, folder, as_json, err);
    generation_release(g);
    return outcome;
}

/* ---- the gate ---- */

static int count_of(struct str list)
{
    int count = 0;
    for (struct json_walk w = json_walk(list); json_next(&w);)
        count++;
    return count;
}

/* The first failure, with its place as `wye test` shows it. */
static void read_failure(struct str report, const char *label, struct err *err)
{
    struct arena arena = ARENA(1 << 20);
    struct str failure = json_pointer(report, "/failures/0"), fault = json_pointer(report, "/errors/0");
    struct str first = failure.p ? failure : fault;
    struct str name = json_text(json_get(first, "name"), &arena), why = json_text(json_get(first, "message"), &arena);
    struct str file = json_text(json_pointer(first, "/trace/short_src"), &arena);
    const char *inner = file.p ? strstr(file.p, "/specs/") : NULL;
    int64_t line = 0;
    json_integer(json_pointer(first, "/trace/currentline"), &line);
    if (inner && line > 0)
        err_set(err, ERR_SCRIPT, "%s%s:%d: spec '%s' fails: %.300s", label, inner, (int)line, name.p ? name.p : "?", why.p ? why.p : "");
    else
        err_set(err, ERR_SCRIPT, "the specs fail: %.400s", why.p ? why.p : "busted says no more");
    arena_clear(&arena);
}

/* What busted says goes into a memory file: standard output belongs to the server. */
static int run_quietly(struct generation *g, const char *folder, struct buf *report, struct err *err)
{
    fflush(stdout);
    int kept = dup(STDOUT_FILENO), memory = memfd_create("specs", MFD_CLOEXEC);
    if (kept < 0 || memory < 0 || dup2(memory, STDOUT_FILENO) < 0) {
        err_set(err, ERR_SYSTEM, "no memory file for what the specs say");
        return KIT_BROKEN;
    }
    int outcome = run(g, folder, true, err);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    char piece[4096];
    ssize_t n;
    lseek(memory, 0, SEEK_SET);
    while ((n = read(memory, piece, sizeof piece)) > 0)
        buf_append(report, piece, (size_t)n);
    close(memory);
    return outcome;
}

int specs_gate(struct generation *g, const char *dir, int *passed, struct err *err)
{
    char folder[LONGEST_PATH];
    struct buf report = BUF(REPORT);
    *passed = 0;
    if (!has_specs(dir, folder, sizeof folder))
        return KIT_PASSED;
    if (!specs_exist(dir)) {
        err_set(err, ERR_SYSTEM, "there is no NAME_spec.lua in %s", folder);
        return KIT_BROKEN;
    }
    int outcome = run_quietly(g, folder, &report, err);
    bool is_json = json_validate(buf_str(&report), NULL) == 0;
    if (is_json)
        *passed = count_of(json_get(buf_str(&report), "successes"));
    if (outcome == KIT_FAILED && is_json)
        read_failure(buf_str(&report), manifest_label(g->files), err);
    else if (outcome == KIT_FAILED)
        err_set(err, ERR_SCRIPT, "the specs fail; `wye test` tells how");
    buf_clear(&report);
    return outcome;
}
