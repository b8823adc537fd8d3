/* Arms by PlanOut's reference numbers, ramps that move units one way only, and what outlives a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/shm.h"
#include "policy/assign.h"
#include "policy/experiments_file.h"
#include "shared.h"

/* The unit of a vector as it is hashed; {NULL, 0} for lists. */
static struct str unit_of(struct str value, struct arena *arena)
{
    return json_type(value) == JSON_STRING ? json_text(value, arena) : json_type(value) == JSON_NUMBER ? value : str_n(NULL, 0);
}

static void test_vectors(void **state)
{
    (void)state;
    int checked = 0;
    if (!shared_has("vectors"))
        skip();
    struct buf text = shared_read(shared_path("vectors/planout_vectors.json"));
    struct arena arena = ARENA(1 << 20);
    for (struct json_walk w = json_walk(json_get(buf_str(&text), "hash")); json_next(&w);) {
        struct str unit = unit_of(json_get(w.value, "unit"), &arena);
        if (unit.p == NULL || !str_eq(json_plain(json_get(w.value, "var")), "arm"))
            continue;
        char hex[17];
        uint64_t hash = assign_hash(json_text(json_get(w.value, "salt"), &arena), unit);
        snprintf(hex, sizeof hex, "%015llx", (unsigned long long)hash);
        assert_string_equal(json_text(json_get(w.value, "hash60_hex"), &arena).p, hex);
        struct str uniform = json_text(json_get(w.value, "uniform"), &arena);
        assert_true(assign_share(hash) == strtod(uniform.p, NULL));
        checked++;
    }
    assert_true(checked > 20);
    arena_clear(&arena);
    buf_clear(&text);
}

static void test_ranges(void **state)
{
    (void)state;
    static const double weights[] = {.8, .2}, three[] = {.5, 0, .5};
    assert_int_equal(assign_arm(weights, 2, 0), 0);
    assert_int_equal(assign_arm(weights, 2, .7999999), 0);
    assert_int_equal(assign_arm(weights, 2, .8), 1);
    assert_int_equal(assign_arm(weights, 2, 1), 1);
    assert_int_equal(assign_arm(three, 3, .5), 2);
}

static const struct experiment_source THREE = {
    .name = "trial", .salt = "trial", .design = "{}", .count = 3, .arms = {"a", "b", "c"}, .weights = {.98, .01, .01}};

/* Four ramps of three arms over a million units: nobody comes back to an earlier arm. */
static void test_ramp_moves_forward(void **state)
{
    (void)state;
    enum { UNITS = 1000000, STEPS = 4 };
    static const double steps[STEPS][3] = {{.98, .01, .01}, {.9, .05, .05}, {.5, .3, .2}, {0, .5, .5}};
    int moved = 0;
    for (int u = 0; u < UNITS; u++) {
        char name[16];
        int len = snprintf(name, sizeof name, "u-%d", u), before = 0;
        double share = assign_share(assign_hash(str_of("trial"), str_n(name, (size_t)len)));
        for (int i = 0; i < STEPS; i++) {
            int arm = assign_arm(steps[i], 3, share);
            if (arm < before)
                fail_msg("unit %s goes back from arm %d to %d at step %d", name, before, arm, i);
            moved += arm > before && i > 0;
            before = arm;
        }
    }
    assert_true(moved > UNITS / 2);
}

static struct experiments *new_experiments(void)
{
    struct experiments *e = shm_new(sizeof *e);
    experiments_init(e);
    return e;
}

static void free_experiments(struct experiments *e)
{
    shm_free(e, sizeof *e);
}

static void test_tells_direction(void **state)
{
    (void)state;
    struct experiments *e = new_experiments();
    struct experiment *x = experiments_use(e, &THREE, 1);
    struct split low = {.weights = {.9, .05, .05}}, high = {.weights = {.5, .3, .2}}, across = {.weights = {.5, .45, .05}};
    assert_false(experiment_moves_back(x, &low, &high));
    assert_true(experiment_moves_back(x, &high, &low));
    assert_true(experiment_moves_back(x, &high, &across)); /* from c to b */
    free_experiments(e);
}

static void test_source_wins_when_it_changes(void **state)
{
    (void)state;
    struct experiments *e = new_experiments();
    struct experiment_source source = THREE;
    struct experiment *x = experiments_use(e, &source, 1);
    struct split ramp = {.weights = {.5, .3, .2}, .origin = SPLIT_RAMP, .since_us = 2};
    experiment_set(e, x, &ramp);
    assert_ptr_equal(experiments_use(e, &source, 3), x);
    assert_true(experiment_split(x).weights[1] == .3);
    source.weights[0] = .97, source.weights[1] = .02;
    experiments_use(e, &source, 4);
    assert_true(experiment_split(x).weights[1] == .02);
    assert_int_equal(experiment_split(x).origin, SPLIT_SOURCE);
    free_experiments(e);
}

static void refuses(struct experiments *e, struct experiment_source source, const char *words)
{
    struct err err;
    assert_int_equal(experiments_check(e, &source, &err), -1);
    if (strstr(err.message, words) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, words);
    assert_null(experiments_use(e, &source, 9));
}

static void test_arms_stay(void **state)
{
    (void)state;
    struct experiments *e = new_experiments();
    experiments_use(e, &THREE, 1);
    struct experiment_source fewer = THREE, more = THREE, other = THREE, salted = THREE;
    fewer.count = 2;
    more.count = 4, more.arms[3] = "d";
    other.arms[0] = "b", other.arms[1] = "a";
    refuses(e, fewer, "arm 'c' was removed");
    refuses(e, more, "arm 'd' was added");
    refuses(e, other, "arm 'b' was reordered");
    salted.count = 2, salted.salt = "trial-2";
    assert_int_equal(experiments_check(e, &salted, NULL), 0);
    assert_non_null(experiments_use(e, &salted, 2));
    assert_string_equal(experiments_find(e, "trial")->salt, "trial-2");
    free_experiments(e);
}

static void test_unit_stays(void **state)
{
    (void)state;
    struct experiments *e = new_experiments();
    struct experiment_source by_user = THREE, by_key = THREE, again = THREE;
    by_user.design = "{\"metric\":\"ok\",\"unit\":\"user\"}";
    by_key.design = "{\"unit\":\"key\"}";
    again.design = "{\"unit\":\"user\"}";
    experiments_use(e, &by_user, 1);
    refuses(e, by_key, "its unit was 'user' and is 'key'");
    refuses(e, by_key, "salt = \"trial-2\"");
    assert_non_null(experiments_use(e, &again, 2));
    by_user.salt = "trial-2";
    assert_non_null(experiments_use(e, &by_user, 3));
    refuses(e, by_key, "salt = \"trial-3\"");
    free_experiments(e);
}

static void test_outlives_a_restart(void **state)
{
    (void)state;
    char dir[] = "/tmp/wye-experiments-XXXXXX", path[64];
    struct err err = {0};
    assert_non_null(mkdtemp(dir));
    struct experiments *before = new_experiments(), *after = new_experiments();
    struct split ramp = {.weights = {.5, .3, .2}, .origin = SPLIT_RAMP, .since_us = 2};
    experiment_set(before, experiments_use(before, &THREE, 1), &ramp);
    assert_int_equal(experiments_file_load(after, dir, &err), 0);
    assert_int_equal(experiments_file_save(before, dir, &err), 0);
    assert_int_equal(experiments_file_load(after, dir, &err), 0);
    struct experiment *x = experiments_use(after, &THREE, 3);
    struct split split = experiment_split(x);
    assert_int_equal(split.origin, SPLIT_RAMP);
    assert_true(split.weights[0] == .5 && split.weights[2] == .2 && split.since_us == 2);
    snprintf(path, sizeof path, "%s/experiments.json", dir);
    FILE *f = fopen(path, "w");
    fputs("[{\"name\":\"x\"", f);
    fclose(f);
    assert_int_equal(experiments_file_load(after, dir, &err), -1);
    assert_non_null(strstr(err.message, "experiments.json"));
    assert_non_null(strstr(err.message, "move it away"));
    unlink(path);
    rmdir(dir);
    free_experiments(before);
    free_experiments(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_ramp_moves_forward),
        cmocka_unit_test(test_tells_direction),
        cmocka_unit_test(test_source_wins_when_it_changes),
        cmocka_unit_test(test_arms_stay),
        cmocka_unit_test(test_unit_stays),
        cmocka_unit_test(test_outlives_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
