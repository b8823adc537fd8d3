/* model:with: what is refused at load. spec/serve/with.test.mjs has what is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bind/bind.h"
#include "project.h"
#include "vm/generation.h"
#include "vm/guard.h"

static const struct generation_options OPTIONS = {.open = bind_open};
static struct project *project;

/* Why a project whose route begins with this is refused; "" when it is not. */
static const char *load(const char *code)
{
    static struct err err;
    char route[512];
    snprintf(route, sizeof route, "local m = wye.model \"a/m\"\n%s\nreturn function() return m end\n", code);
    project_write(project, "route.lua", route);
    struct generation *g = generation_load(1, manifest_new(project->root), &OPTIONS, &err);
    if (g == NULL)
        return err.message;
    generation_release(g);
    return "";
}

static void refused(const char *options, const char *words)
{
    char code[256];
    snprintf(code, sizeof code, "local d = m:with %s", options);
    const char *message = load(code);
    if (strstr(message, words) == NULL || strstr(message, "route.lua:2:") == NULL)
        fail_msg("%s: '%s' does not say '%s'", options, message, words);
}

static void test_wrong_options(void **state)
{
    (void)state;
    refused("{ sistem = 'x' }", "unknown field 'sistem' of model:with's options (did you mean 'system'?)");
    refused("{ temperature = 3 }", "temperature must be a number from 0 to 2");
    refused("{ temperature = 0/0 }", "temperature must be");
    refused("{ temperature = '1' }", "temperature must be");
    refused("{ max_tokens = 1.5 }", "max_tokens must be an integer from 1 to");
    refused("{ max_tokens = 5, max_completion_tokens = 5 }", "two names of one limit");
    refused("{ tools = true }", "tools can only be false");
    refused("{ tools = {} }", "tools can only be false");
    refused("{ system = 7 }", "system must be a string");
    refused("{ system = false }", "system must be a string");
    refused("{ stop = {} }", "stop must be a string or a list of strings");
    refused("{ stop = { 1 } }", "stop must be");
    refused("{ 'x' }", "no field of type number");
    refused("'x'", "table expected");
    refused("{ system = ('x'):rep(2000000) }", "system is too large");
}

static void test_good_options(void **state)
{
    (void)state;
    assert_string_equal(load("m = m:with { system = '', tools = false, stop = 'x', seed = -1, top_p = 1 }:with { stop = false }\n"
                             "assert(m.id == 'a/m' and tostring(m) == 'a/m')"), "");
    assert_non_null(strstr(load("m.with { }"), "with a colon"));
}

static int open_project(void **state)
{
    (void)state;
    project = project_new();
    project_write(project, "wye.lua",
                  "return { providers = { a = { kind = 'openai', base_url = 'http://127.0.0.1:9/v1' } }, models = { ['a/m'] = {} } }");
    return guard_open(NULL);
}

static int close_project(void **state)
{
    (void)state;
    guard_close();
    project_free(project);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_good_options),
    };
    return cmocka_run_group_tests(tests, open_project, close_project);
}
