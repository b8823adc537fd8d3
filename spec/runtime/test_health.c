#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "policy/region.h"

enum { START = 1000 * 1000 };

static int open_region(void **state)
{
    *state = region_new();
    return 0;
}

static int close_region(void **state)
{
    region_free(*state);
    return 0;
}

static struct health_target *target(void **state)
{
    return health_target(&((struct region *)*state)->health, "a/one", 1);
}

static void fail_times(struct health_target *t, int times, uint64_t now)
{
    for (int i = 0; i < times; i++)
        health_failed(t, now, now);
}

static void five_failures_in_a_row_open_it(void **state)
{
    struct health_target *t = target(state);
    fail_times(t, 4, START);
    assert_int_equal(health_pick(t, START), HEALTH_CLOSED);
    health_succeeded(t, START, START);
    fail_times(t, 4, START);
    assert_true(health_is_closed(t));
    fail_times(t, 1, START);
    assert_int_equal(health_pick(t, START), HEALTH_COOLING);
    assert_int_equal(health_cooling_ms(t, START), 1000);
}

static void half_of_twenty_calls_open_it(void **state)
{
    struct health_target *t = target(state);
    for (int i = 0; i < 9; i++) {
        health_succeeded(t, START, START);
        health_failed(t, START, START);
    }
    health_succeeded(t, START, START);
    assert_true(health_is_closed(t));
    health_failed(t, START, START);
    assert_false(health_is_closed(t));
}

static void failures_of_long_ago_do_not_count(void **state)
{
    struct health_target *t = target(state);
    for (int i = 0; i < 9; i++) {
        health_succeeded(t, START, START);
        health_failed(t, START, START);
    }
    for (int i = 0; i < 3; i++) {
        health_succeeded(t, START + 11000, START + 11000);
        health_failed(t, START + 11000, START + 11000);
    }
    assert_true(health_is_closed(t));
}

static void one_probe_at_a_time_and_a_success_closes_it(void **state)
{
    struct health_target *t = target(state);
    fail_times(t, 5, START);
    uint64_t later = START + 1000;
    assert_int_equal(health_pick(t, later), HEALTH_PROBE);
    assert_int_equal(health_pick(t, later), HEALTH_COOLING);
    health_undecided(t);
    assert_int_equal(health_pick(t, later), HEALTH_PROBE);
    health_succeeded(t, later, later + 10);
    assert_int_equal(health_pick(t, later + 10), HEALTH_CLOSED);
    fail_times(t, 4, later + 20);
    assert_true(health_is_closed(t));
}

static void failed_probes_cool_twice_as_long_up_to_four_seconds(void **state)
{
    struct health_target *t = target(state);
    uint64_t now = START;
    fail_times(t, 5, now);
    for (unsigned cooling = 2; cooling <= 16; cooling *= 2) {
        now += health_cooling_ms(t, now);
        assert_int_equal(health_pick(t, now), HEALTH_PROBE);
        health_failed(t, now, now);
        assert_int_equal(health_cooling_ms(t, now), cooling < 4 ? cooling * 1000 : 4000);
    }
}

static void what_began_before_it_opened_changes_nothing(void **state)
{
    struct health_target *t = target(state);
    fail_times(t, 5, START);
    health_succeeded(t, START - 500, START + 10);
    assert_int_equal(health_pick(t, START + 10), HEALTH_COOLING);
    fail_times(t, 7, START + 20);
    assert_int_equal(health_cooling_ms(t, START + 20), 980);
}

static void a_rate_limit_is_a_floor(void **state)
{
    struct health_target *t = target(state);
    health_cool(t, START, 30000);
    fail_times(t, 5, START + 100);
    assert_int_equal(health_pick(t, START + 29999), HEALTH_COOLING);
    assert_int_equal(health_pick(t, START + 30000), HEALTH_PROBE);
}

static void a_dead_prober_loses_the_probe(void **state)
{
    struct health_target *t = target(state);
    fail_times(t, 5, START);
    if (fork() == 0)
        _exit(health_pick(t, START + 1000) == HEALTH_PROBE ? 0 : 1);
    int status;
    wait(&status);
    assert_int_equal(status, 0);
    assert_int_equal(health_pick(t, START + 1000), HEALTH_COOLING);
    assert_int_equal(health_pick(t, START + 5000), HEALTH_PROBE);
}

static void slow_first_tokens_open_it(void **state)
{
    struct health_target *t = target(state);
    for (int i = 0; i < 100; i++)
        health_first_token(t, 300 * 1000, START);
    for (int i = 0; i < 4; i++)
        health_first_token(t, 3000 * 1000, START);
    health_first_token(t, 300 * 1000, START);
    for (int i = 0; i < 4; i++)
        health_first_token(t, 3000 * 1000, START);
    assert_true(health_is_closed(t));
    health_first_token(t, 3000 * 1000, START);
    assert_false(health_is_closed(t));
}

static void quantiles_follow_the_samples(void **state)
{
    struct health_target *t = target(state);
    assert_int_equal(health_p50(&t->duration), 0);
    assert_true(health_is_stale(&t->duration, START));
    for (unsigned us = 1000; us <= 1000 * 1000; us += 1000)
        health_duration(t, us, START);
    assert_in_range(health_p50(&t->duration), 500000 * 0.9, 500000 * 1.1);
    assert_in_range(health_p95(&t->duration), 950000 * 0.9, 950000 * 1.1);
    assert_false(health_is_stale(&t->duration, START));
    assert_true(health_is_stale(&t->duration, START + 61000));
    for (int i = 0; i < 20000; i++)
        health_duration(t, 20 * 1000, START);
    assert_in_range(health_p95(&t->duration), 20000 * 0.9, 20000 * 1.1);
    assert_in_range(t->duration.count, 1, 2048);
    health_duration(t, UINT64_MAX, START);
    health_duration(t, 0, START);
}

static void another_key_starts_afresh(void **state)
{
    struct health *h = &((struct region *)*state)->health;
    struct health_target *t = target(state);
    fail_times(t, 5, START);
    health_duration(t, 5000, START);
    assert_ptr_equal(health_target(h, "a/one", 1), t);
    assert_false(health_is_closed(t));
    assert_ptr_equal(health_target(h, "a/one", 2), t);
    assert_true(health_is_closed(t));
    assert_int_equal(health_p50(&t->duration), 0);
}

static void a_full_table_never_cools_the_rest(void **state)
{
    struct health *h = &((struct region *)*state)->health;
    char name[] = "m/0000";
    for (int i = 0; i < HEALTH_TARGETS; i++) {
        for (int k = 0, n = i; k < 4; k++, n /= 10)
            name[5 - k] = (char)('0' + n % 10);
        assert_ptr_not_equal(health_target(h, name, 1), &h->spare);
    }
    struct health_target *rest = health_target(h, "one/more", 1);
    fail_times(rest, 50, START);
    health_cool(rest, START, 1000);
    assert_int_equal(health_pick(rest, START), HEALTH_CLOSED);
}

static void a_restarted_worker_has_nothing_in_flight(void **state)
{
    struct health_target *t = target(state);
    health_began(t, 0);
    health_began(t, 1);
    health_began(t, 1);
    health_ended(t, 1);
    assert_int_equal(health_busy(t), 2);
    health_begin(&((struct region *)*state)->health, 1);
    assert_int_equal(health_busy(t), 1);
}

static void drains_hold_for_models_that_come_later(void **state)
{
    struct health *h = &((struct region *)*state)->health;
    struct health_target *one = target(state);
    struct err err;
    assert_int_equal(drains_add(&h->drains, "a/one", 5, &err), 0);
    assert_int_equal(drains_add(&h->drains, "b/*", 6, &err), 0);
    assert_false(health_is_drained(one));
    health_drain(h);
    assert_true(health_is_drained(one));
    assert_true(health_is_drained(health_target(h, "b/x/y", 1)));
    assert_false(health_is_drained(health_target(h, "bb/x", 1)));
    assert_false(health_is_drained(health_target(h, "a/one2", 1)));
    assert_false(health_is_drained(health_target(h, "b", 1))); /* the provider's key */
    assert_true(health_is_drained(health_target(h, "a/one", 2))); /* another address changes nothing */
    drains_remove(&h->drains, "a/one");
    health_drain(h);
    assert_false(health_is_drained(one));
}

static void drains_outlive_the_server(void **state)
{
    struct region *r = *state;
    struct drains *d = &r->health.drains, *again = calloc(1, sizeof *again);
    char dir[] = "/tmp/wye-drains-XXXXXX", path[64], name[DRAIN_NAME + 1];
    struct err err;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(drains_load(d, dir, &err), 0); /* no file: none */
    assert_int_equal(drains_add(d, "a/one more", 5, &err) | drains_add(d, "b/*", 6, &err), 0);
    assert_int_equal(drains_save(d, dir, &err), 0);
    assert_int_equal(drains_load(again, dir, &err), 0);
    assert_int_equal(atomic_load(&drains_find(again, "a/one more")->since_us), 5);
    assert_string_equal(drains_match(again, "b/x")->name, "b/*");
    assert_null(drains_match(again, "a/two"));
    for (int i = 2; i < DRAINS_MOST; i++) {
        snprintf(name, sizeof name, "c/%d", i);
        assert_int_equal(drains_add(d, name, 7, &err), 0);
    }
    assert_int_equal(drains_add(d, "c/x", 7, &err), -1);
    memset(name, 'x', DRAIN_NAME);
    name[DRAIN_NAME] = '\0';
    assert_int_equal(drains_add(again, name, 7, &err), -1);
    snprintf(path, sizeof path, "%s/drained", dir);
    assert_int_equal(unlink(path) | rmdir(dir), 0);
    assert_int_equal(drains_save(d, dir, &err), -1);
    free(again);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_region, close_region)
    const struct CMUnitTest tests[] = {
        TEST(five_failures_in_a_row_open_it),
        TEST(half_of_twenty_calls_open_it),
        TEST(failures_of_long_ago_do_not_count),
        TEST(one_probe_at_a_time_and_a_success_closes_it),
        TEST(failed_probes_cool_twice_as_long_up_to_four_seconds),
        TEST(what_began_before_it_opened_changes_nothing),
        TEST(a_rate_limit_is_a_floor),
        TEST(a_dead_prober_loses_the_probe),
        TEST(slow_first_tokens_open_it),
        TEST(quantiles_follow_the_samples),
        TEST(another_key_starts_afresh),
        TEST(a_full_table_never_cools_the_rest),
        TEST(a_restarted_worker_has_nothing_in_flight),
        TEST(drains_hold_for_models_that_come_later),
        TEST(drains_outlive_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
