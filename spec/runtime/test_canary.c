/* The canary's split, its counts and its judge: a million units that only move forward, and judges that know the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/assign.h"
#include "policy/canary.h"

enum { UNITS = 1000000, FEW = 20000 };

static const char HASH[] = "00f3a9b1c2d3e4f5a6";
static struct canary canary;

static bool takes(int i)
{
    char unit[24];
    int len = snprintf(unit, sizeof unit, "user-%d", i);
    return canary_takes(&canary, atomic_load(&canary.split), str_n(unit, (size_t)len));
}

static void a_larger_share_moves_units_only_forward(void **state)
{
    (void)state;
    static const double SHARES[] = {0.001, 0.01, 0.1, 0.25, 0.5, 0.999, 1};
    static bool was_in[UNITS];
    canary_clear(&canary);
    for (size_t s = 0; s < sizeof SHARES / sizeof *SHARES; s++) {
        int in = 0;
        canary_set(&canary, 7, HASH, SHARES[s]);
        assert_int_equal(canary_generation(atomic_load(&canary.split)), 7);
        for (int i = 0; i < UNITS; i++) {
            bool is_in = takes(i);
            assert_true(is_in || !was_in[i]);
            was_in[i] = is_in;
            in += is_in;
        }
        double error = sqrt(SHARES[s] * (1 - SHARES[s]) / UNITS);
        assert_true(fabs((double)in / UNITS - SHARES[s]) <= 5 * error);
    }
}

static void it_has_the_end_of_the_range_as_a_second_arm_has(void **state)
{
    (void)state;
    canary_clear(&canary);
    canary_set(&canary, 8, HASH, 0.3);
    for (int i = 0; i < FEW; i++) {
        char unit[24];
        int len = snprintf(unit, sizeof unit, "user-%d", i);
        double share = assign_share(assign_hash(str_n(HASH, CANARY_SALT), str_n(unit, (size_t)len)));
        assert_int_equal(takes(i), assign_arm((double[]){0.7, 0.3}, 2, share));
    }
}

static void another_generation_begins_with_empty_counts(void **state)
{
    (void)state;
    canary_set(&canary, 9, HASH, 0.1);
    unsigned number = atomic_load(&canary.number);
    canary_count(&canary.sides[1], &(struct canary_outcome){.is_served = true, .us = 5, .usd = 1});
    canary_set(&canary, 9, HASH, 0.2);
    assert_int_equal(atomic_load(&canary.sides[1].requests), 1);
    assert_int_equal(atomic_load(&canary.number), number);
    canary_set(&canary, 10, HASH, 0.2);
    assert_int_equal(atomic_load(&canary.sides[1].requests), 0);
    assert_int_equal(atomic_load(&canary.number), number + 1);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void p95_is_at_most_an_eighth_over_the_true_one(void **state)
{
    (void)state;
    static uint64_t all[FEW];
    static struct canary_side side;
    struct canary_tally t;
    srand48(11);
    for (int i = 0; i < FEW; i++) {
        all[i] = (uint64_t)exp(drand48() * 16); /* 1 µs to 9 s */
        canary_count(&side, &(struct canary_outcome){.is_served = true, .us = all[i]});
    }
    qsort(all, FEW, sizeof *all, by_size);
    canary_read(&side, &t);
    double truth = (double)all[FEW * 95 / 100 - 1], found = (double)canary_p95(&t);
    assert_true(found >= truth && found <= truth * 1.13 + 1);
    assert_int_equal(canary_p95(&(struct canary_tally){0}), 0);
}

/* ---- the judge ---- */

struct world {
    double script_errors, errors, ms, usd;
};

static void serve(struct canary_tally *t, const struct world *w, int requests)
{
    static struct canary_side side;
    memset(&side, 0, sizeof side);
    for (int i = 0; i < requests; i++) {
        bool is_error = drand48() < w->errors;
        canary_count(&side, &(struct canary_outcome){.is_script_error = drand48() < w->script_errors, .is_error = is_error, .is_served = !is_error,
                                                     .us = (uint64_t)(1000 * w->ms * -log(1 - drand48())), .usd = w->usd * (0.5 + drand48())});
    }
    canary_read(&side, t);
}

static const struct world SAME = {.errors = 0.05, .ms = 20, .usd = 0.001};

/* How many of 200 canaries in this world are found worse, each looked at once at this many requests. */
static int found_worse(const struct world *w, int requests, const char *by)
{
    struct canary_tally live, one;
    char why[200];
    int found = 0;
    for (int i = 0; i < 200; i++) {
        serve(&live, &SAME, 1000);
        serve(&one, w, requests);
        bool is_worse = canary_is_worse(&CANARY_GUARD, &live, &one, why, sizeof why);
        found += is_worse && (by == NULL || strstr(why, by));
    }
    return found;
}

static void the_same_is_hardly_ever_worse(void **state)
{
    (void)state;
    srand48(1);
    assert_in_range(found_worse(&SAME, 50, NULL), 0, 10);
    assert_in_range(found_worse(&SAME, 500, NULL), 0, 4);
}

static void each_guard_finds_what_it_is_for(void **state)
{
    (void)state;
    srand48(2);
    struct world w = SAME;
    w.script_errors = 0.2;
    assert_in_range(found_worse(&w, 100, "script errors in "), 195, 200);
    w = SAME;
    w.errors = 0.3;
    assert_in_range(found_worse(&w, 100, "errors in "), 195, 200);
    w = SAME;
    w.ms = 80;
    assert_in_range(found_worse(&w, 100, "p95 of "), 195, 200);
    w = SAME;
    w.usd = 0.002;
    assert_in_range(found_worse(&w, 100, "US dollars a request"), 195, 200);
}

static void nobody_is_judged_too_early_or_by_what_is_off(void **state)
{
    (void)state;
    struct canary_tally live, one;
    struct canary_guard guard = CANARY_GUARD;
    char why[200];
    struct world w = {.script_errors = 1, .errors = 1, .ms = 500, .usd = 1};
    serve(&live, &SAME, 1000);
    serve(&one, &w, 49);
    assert_false(canary_is_worse(&guard, &live, &one, why, sizeof why));
    serve(&one, &w, 50);
    assert_true(canary_is_worse(&guard, &live, &one, why, sizeof why));
    assert_int_equal(canary_guard_parse("script_errors=off,errors=off,latency=off,cost=off", &guard, NULL), 0);
    assert_false(canary_is_worse(&guard, &live, &one, why, sizeof why));
}

static void guards_are_read_or_refused_by_name(void **state)
{
    (void)state;
    struct canary_guard g = CANARY_GUARD;
    struct err err;
    assert_int_equal(canary_guard_parse("latency=20,requests=200", &g, &err), 0);
    assert_true(g.latency == 20 && g.requests == 200 && g.cost == CANARY_GUARD.cost);
    static const char *const WRONG[][2] = {{"latncy=20", "did you mean 'latency'"}, {"latency", "NAME=NUMBER"}, {"cost=-1", "or off"},
                                           {"cost=", "or off"}, {"requests=off", "1 at least"}, {"requests=0", "1 at least"}, {"errors=2x", "or off"}};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        assert_int_equal(canary_guard_parse(WRONG[i][0], &g, &err), -1);
        assert_non_null(strstr(err.message, WRONG[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_larger_share_moves_units_only_forward),
        cmocka_unit_test(it_has_the_end_of_the_range_as_a_second_arm_has),
        cmocka_unit_test(another_generation_begins_with_empty_counts),
        cmocka_unit_test(p95_is_at_most_an_eighth_over_the_true_one),
        cmocka_unit_test(the_same_is_hardly_ever_worse),
        cmocka_unit_test(each_guard_finds_what_it_is_for),
        cmocka_unit_test(nobody_is_judged_too_early_or_by_what_is_off),
        cmocka_unit_test(guards_are_read_or_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
