/* The shipped project and the one that `wye init` writes load as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bind/bind.h"
#include "cmd/command.h"
#include "vm/generation.h"

static const struct generation_options DEMO = {
    .open = bind_open, .sim_url = "http://127.0.0.1:1", .is_demo = true};

static struct generation *load(const char *root)
{
    struct err err;
    struct generation *g = generation_load(1, manifest_new(root), &DEMO, &err);
    if (g == NULL)
        fail_msg("%s", err.message);
    return g;
}

/* Every model of the shipped project has a price: the trace says what a request cost. */
static void test_shipped_project(void **state)
{
    (void)state;
    struct generation *g = load("routes");
    static const char *const names[] = {"cascade", "failover", "judge", "route", "trial"};
    assert_int_equal(g->route_count, 5);
    for (int i = 0; i < 5; i++)
        assert_non_null(generation_route(g, str_of(names[i])));
    assert_non_null(g->config->fallback);
    for (int i = 0; i < g->config->model_count; i++) {
        const struct model *m = &g->config->models[i];
        if (!m->is_implied && (!m->has_price || m->context == 0))
            fail_msg("%s has no price or no context", m->id);
    }
    generation_release(g);
}

static void test_new_project(void **state)
{
    (void)state;
    char dir[] = "/tmp/wye-init-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    char *words[] = {"wye", "init", "--json", dir, NULL};
    assert_int_equal(command_run(4, words), EXIT_OK);
    struct generation *g = load(dir);
    assert_int_equal(g->route_count, 1);
    assert_non_null(g->config->fallback);
    generation_release(g);
    char *again[] = {"wye", "init", dir, NULL};
    assert_int_equal(command_run(3, again), EXIT_REFUSED);
    static const char *const files[] = {"wye.lua", "route.lua", ".gitignore"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped_project),
        cmocka_unit_test(test_new_project),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
