/* The limit that a worker learns from times, against a provider with so many places and a queue behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "serve/pace.h"

enum { PLACES = 20, SERVICE_MS = 50, MOST = 1 << 16, CEILING = 4096 };

/* Time in ms. Requests come evenly; each has a place of the provider as soon as one is free, first come, first served. */
struct run {
    struct pace pace;
    uint64_t now, next_ns;
    unsigned seed;
    uint64_t free_at[PLACES];
    struct {
        uint64_t began, ends;
    } open[MOST];
    unsigned running, served, refused, least, most; /* of the limit */
    bool is_mixed;                                  /* 1 to 40 times as long as the shortest */
};

static uint64_t service(struct run *r)
{
    return r->is_mixed ? SERVICE_MS / 10 * (1 + (unsigned)rand_r(&r->seed) % 40) : SERVICE_MS;
}

static void begin(struct run *r, bool has_queue)
{
    if (!pace_admits(&r->pace, r->running)) {
        r->refused++;
        return;
    }
    int soonest = 0;
    for (int i = 1; i < PLACES; i++)
        soonest = r->free_at[i] < r->free_at[soonest] ? i : soonest;
    uint64_t from = has_queue && r->free_at[soonest] > r->now ? r->free_at[soonest] : r->now;
    uint64_t ends = from + service(r);
    if (has_queue)
        r->free_at[soonest] = ends;
    assert_true(r->running < MOST);
    r->open[r->running].began = r->now;
    r->open[r->running++].ends = ends;
}

static void finish(struct run *r)
{
    for (unsigned i = 0; i < r->running;) {
        if (r->open[i].ends > r->now) {
            i++;
            continue;
        }
        uint64_t began = r->open[i].began;
        r->open[i] = r->open[--r->running];
        pace_served(&r->pace, began * 1000000, r->now * 1000000);
        r->served++;
        r->least = r->pace.limit < r->least ? r->pace.limit : r->least;
        r->most = r->pace.limit > r->most ? r->pace.limit : r->most;
    }
}

static void play(struct run *r, unsigned ms, unsigned per_second, bool has_queue)
{
    r->served = r->refused = r->most = 0;
    r->least = CEILING;
    unsigned owed = 0;
    for (uint64_t end = r->now + ms; r->now < end; r->now++) {
        finish(r);
        for (owed += per_second; owed >= 1000; owed -= 1000)
            begin(r, has_queue);
    }
}

static struct run *run_new(void)
{
    struct run *r = calloc(1, sizeof *r);
    r->seed = 7;
    r->now = 1;
    pace_reset(&r->pace, CEILING, r->now * 1000000);
    return r;
}

static void below_capacity_nobody_is_refused(void **state)
{
    (void)state;
    struct run *r = run_new();
    play(r, 60000, 380, true);
    assert_int_equal(r->refused, 0);
    assert_int_equal(r->least, CEILING);
    free(r);
}

static void five_times_overload_keeps_the_provider_busy_and_the_queue_short(void **state)
{
    (void)state;
    struct run *r = run_new();
    play(r, 3000, 300, true);
    play(r, 10000, 2000, true);
    assert_in_range(r->served, 3800, 4100);
    play(r, 120000, 2000, true);
    print_message("served %u of 48000 possible; limit %u to %u around %d places\n", r->served, r->least, r->most, PLACES);
    assert_in_range(r->served, 45600, 48000);
    assert_in_range(r->most, PLACES, PLACES * 5);
    free(r);
}

static void when_the_load_goes_the_limit_binds_nobody(void **state)
{
    (void)state;
    struct run *r = run_new();
    play(r, 3000, 300, true);
    play(r, 20000, 2000, true);
    play(r, 20000, 300, true);
    play(r, 60000, 300, true);
    assert_int_equal(r->refused, 0);
    free(r);
}

static void requests_of_every_length_are_no_queue(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct run *r = run_new();
        r->seed = seed;
        r->is_mixed = true;
        play(r, 120000, 400, false);
        assert_int_equal(r->refused, 0);
        assert_int_equal(r->least, CEILING);
        free(r);
    }
}

static void a_lower_ceiling_is_obeyed_and_a_small_one_is_no_floor(void **state)
{
    (void)state;
    struct pace p = {0};
    pace_reset(&p, 3, 1);
    assert_true(pace_admits(&p, 2));
    assert_false(pace_admits(&p, 3));
    pace_reset(&p, 5, 1);
    assert_true(pace_admits(&p, 4));
    assert_false(pace_admits(&p, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_capacity_nobody_is_refused),
        cmocka_unit_test(five_times_overload_keeps_the_provider_busy_and_the_queue_short),
        cmocka_unit_test(when_the_load_goes_the_limit_binds_nobody),
        cmocka_unit_test(requests_of_every_length_are_no_queue),
        cmocka_unit_test(a_lower_ceiling_is_obeyed_and_a_small_one_is_no_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
