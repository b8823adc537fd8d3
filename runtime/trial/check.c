#include "trial/check.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "bind/bind.h"
#include "trial/eval_lua.h"
#include "trial/sweep.h"
#include "vm/lint.h"

enum { ROUTE_MS = 400, ALL_MS = 3000 };

/* A run may tell less of what was read: without the names that are local there. */
static bool is_told(const struct check *check, const struct finding *new)
{
    for (int i = 0; i < check->count; i++) {
        const struct finding *f = &check->findings[i];
        if (f->line == new->line && strcmp(f->file, new->file) == 0 && strncmp(f->message, new->message, strlen(new->message)) == 0)
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

static void on_found(struct sweep *s, const char *seen)
{
    struct finding f = {0};
    snprintf(f.route, sizeof f.route, "%s", s->route->name);
    snprintf(f.request, sizeof f.request, "%s", s->request->name);
    f.is_recorded = s->request < CHECK_REQUESTS || s->request >= CHECK_REQUESTS + CHECK_REQUEST_COUNT;
    snprintf(f.seen, sizeof f.seen, "%s", seen);
    check_place(&f, s->trial->err.message, s->trial->generation->files);
    add(s->arg, &f);
}

struct linting {
    struct check *check;
    struct manifest *files;
};

static void on_lint(void *arg, const struct lint_finding *l)
{
    struct linting *linting = arg;
    struct finding f = {.line = l->line, .column = l->column, .width = l->width};
    snprintf(f.message, sizeof f.message, "%s", l->message);
    snprintf(f.file, sizeof f.file, "%s/%s", manifest_label(linting->files), l->path);
    if (!strchr(l->path, '/') && strcmp(l->path, "wye.lua") != 0)
        snprintf(f.route, sizeof f.route, "%.*s", (int)(strlen(l->path) - strlen(".lua")), l->path);
    add(linting->check, &f);
}

/* What stands in the sources, on paths that no built-in request takes too. */
static void lint(struct generation *g, struct check *check)
{
    struct linting linting = {check, g->files};
    struct err err;
    if (lint_files(g->vm, on_lint, &linting, &err) == 0)
        return;
    struct finding f = {0};
    check_place(&f, err.message, g->files);
    add(check, &f);
}

static void check_route(struct sweep *s, struct check *check)
{
    sweep_run(s);
    check->paths += s->paths;
    if (check->routes == CHECK_ROUTES)
        return;
    struct checked_route *r = &check->checked[check->routes++];
    *r = (struct checked_route){.paths = s->paths, .is_cut = s->is_cut};
    snprintf(r->name, sizeof r->name, "%s", s->route->name);
}

int check_generation(struct generation *g, struct check *check)
{
    int before = check->errors;
    uint64_t until = clock_ns() + ALL_MS * 1000000ull;
    struct buf large = BUF(1 << 20);
    check_long_body(&large);
    lint(g, check);
    struct sweep s = {.trial = trial_new(g), .long_body = buf_str(&large), .found = on_found, .recorded = check->recorded, .arg = check};
    for (int i = 0; i < g->route_count; i++) {
        uint64_t now = clock_ns(), share = ROUTE_MS * 1000000ull;
        s.route = &g->routes[i];
        s.until_ns = now + share < until ? now + share : until;
        check_route(&s, check);
    }
    trial_free(s.trial);
    buf_clear(&large);
    return check->errors - before;
}

static void warn_of_providers(const struct generation *g, struct check *check)
{
    for (int i = 0; i < g->config->provider_count; i++) {
        char words[400];
        const struct provider *p = &g->config->providers[i];
        const char *problem = generation_provider_warning(g, p, words, sizeof words);
        if (!problem || p->kind == KIND_SIM)
            continue;
        struct finding f = {.is_warning = true};
        snprintf(f.message, sizeof f.message, "%s", problem);
        add(check, &f);
    }
}

/* Eval sets are read, and their code is compiled. */
static void check_evals(const char *dir, const struct generation *g, struct check *check)
{
    for (int i = 0; i < g->route_count; i++) {
        struct eval_cases set;
        struct eval_lua *lua = NULL;
        struct err err;
        struct finding f = {0};
        if (!eval_cases_exist(dir, g->routes[i].name))
            continue;
        if (eval_cases_read(&set, dir, g->routes[i].name, g->config, &err) < 0 || !(lua = eval_lua_open(dir, g->config, &set, 1, &err))) {
            check_place(&f, err.message, g->files);
            add(check, &f);
        }
        eval_lua_close(lua);
        eval_cases_clear(&set);
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
    check_evals(dir, g, check);
    generation_release(g);
    return check->errors;
}

void check_clear(struct check *check)
{
    manifest_free(check->files);
    check->files = NULL;
}
