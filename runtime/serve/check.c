#include "serve/check.h"

#include <stdio.h>
#include <string.h>

#include "bind/bind.h"
#include "serve/check_requests.h"
#include "serve/trial.h"

/* Text that is JSON too, so that routes which read reply.json find some. */
static void answer(struct trial *t, struct trial_ask *ask)
{
    trial_text(t, ask->reply, str_of("{\"answer\":\"ok\"}"));
}

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

static void check_route(struct trial *t, const struct route *route, struct str large, struct check *check)
{
    for (int i = 0; i < CHECK_REQUEST_COUNT; i++) {
        const struct check_request *request = &CHECK_REQUESTS[i];
        if (trial_run(t, route, request->body ? str_of(request->body) : large) == 0)
            continue;
        struct finding f = {0};
        snprintf(f.route, sizeof f.route, "%s", route->name);
        snprintf(f.request, sizeof f.request, "%s", request->name);
        check_place(&f, t->err.message, t->generation->files);
        add(check, &f);
    }
}

int check_generation(struct generation *g, struct check *check)
{
    int before = check->errors;
    struct trial *t = trial_new(g);
    struct buf large = BUF(1 << 20);
    check_long_body(&large);
    t->answer = answer;
    for (int i = 0; i < g->route_count; i++) {
        if (check->routes < CHECK_ROUTES)
            snprintf(check->route_names[check->routes++], sizeof *check->route_names, "%s", g->routes[i].name);
        check_route(t, &g->routes[i], buf_str(&large), check);
    }
    buf_clear(&large);
    trial_free(t);
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
