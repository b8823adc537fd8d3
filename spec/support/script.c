#include "script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bind/bind.h"
#include "project.h"
#include "trial/trial.h"
#include "vm/guard.h"

static const struct generation_options OPTIONS = {.open = bind_open};
static struct project *project;
static struct str answer;
static struct err err;

int script_setup(void **state)
{
    (void)state;
    project = project_new();
    project_write(project, "wye.lua",
                  "return { providers = { a = { kind = 'openai', base_url = 'http://127.0.0.1:9/v1' } }, models = { ['a/m'] = {} },\n"
                  "limits = { script_ms = 2000, script_mb = 128 } }");
    return guard_open(NULL);
}

int script_teardown(void **state)
{
    (void)state;
    guard_close();
    project_free(project);
    return 0;
}

void script_file(const char *path, const char *text)
{
    project_write(project, path, text);
}

void script_answer(const char *body)
{
    answer = str_of(body);
}

static struct generation *load(const char *top, const char *body)
{
    size_t size = strlen(top) + strlen(body) + 200;
    char *route = malloc(size);
    assert_non_null(route);
    snprintf(route, size, "local m = wye.model 'a/m'\n%s\nreturn function(req)\n%s\nend\n", top, body);
    project_write(project, "route.lua", route);
    free(route);
    err.message[0] = '\0';
    return generation_load(1, manifest_new(project->root), &OPTIONS, &err);
}

const char *script_load(const char *top)
{
    struct generation *g = load(top, "return m");
    if (g)
        generation_release(g);
    return err.message;
}

static void give(struct trial *t, struct trial_ask *ask)
{
    (void)t;
    ask->reply->status = 200;
    ask->reply->body = answer;
}

const char *script_run(const char *top, const char *body)
{
    static char reason[1024];
    size_t size = strlen(body) + 128;
    char *code = malloc(size);
    assert_non_null(code);
    snprintf(code, size, "local function run()\n%s\nend\nlocal said = run()\nreturn m, said or 'ok'", body);
    struct generation *g = load(top, code);
    free(code);
    if (g == NULL)
        return err.message;
    struct trial *t = trial_new(g);
    t->answer = give;
    int result = trial_run(t, &g->routes[0], str_of("{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"));
    struct str said = result == 0 ? t->decision.reason : str_of(t->err.message);
    snprintf(reason, sizeof reason, "%.*s", (int)said.len, said.p);
    generation_release(g);
    trial_free(t);
    return reason;
}
