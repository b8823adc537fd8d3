#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/shm.h"
#include "base/stats.h"

static void buckets_include_their_upper_bound(void **state)
{
    (void)state;
    _Atomic uint64_t b[STATS_BUCKETS + 1] = {0};
    stats_observe(b, 0);
    stats_observe(b, 100);
    stats_observe(b, 101);
    stats_observe(b, 200);
    stats_observe(b, 201);
    stats_observe(b, 400);
    assert_int_equal(b[STATS_BUCKETS], 1002);
    stats_observe(b, UINT64_MAX);
    assert_int_equal(b[0], 2);
    assert_int_equal(b[1], 2);
    assert_int_equal(b[2], 2);
    assert_int_equal(b[STATS_BUCKETS - 1], 1);
}

static void a_later_generation_takes_over_the_entry(void **state)
{
    (void)state;
    static struct stats_slot s;
    stats_generation(&s, 3, false);
    stats_generation(&s, 3, true);
    assert_int_equal(s.generations[3].requests, 2);
    assert_int_equal(s.generations[3].script_errors, 1);
    stats_generation(&s, 3 + STATS_GENERATIONS, false);
    assert_int_equal(s.generations[3].id, 3 + STATS_GENERATIONS);
    assert_int_equal(s.generations[3].requests, 1);
    assert_int_equal(s.generations[3].script_errors, 0);
}

static void a_successor_keeps_counters_and_clears_gauges(void **state)
{
    (void)state;
    struct stats_board *board = shm_new(sizeof *board);
    struct stats_slot *s = &board->slots[0];
    pid_t child = fork();
    if (child == 0) {
        stats_begin(s, getpid());
        stats_add(s, STAT_REQUESTS, 5);
        stats_add(s, STAT_IN_FLIGHT, 2);
        atomic_store(&s->script_generation, 4);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(s->pid, child);
    assert_int_equal(s->counters[STAT_IN_FLIGHT], 2);
    stats_begin(s, 1);
    assert_int_equal(s->counters[STAT_REQUESTS], 5);
    assert_int_equal(s->counters[STAT_IN_FLIGHT], 0);
    assert_int_equal(s->script_generation, 0);
    assert_true(s->heartbeat_ms > 0);
    shm_free(board, sizeof *board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_include_their_upper_bound),
        cmocka_unit_test(a_later_generation_takes_over_the_entry),
        cmocka_unit_test(a_successor_keeps_counters_and_clears_gauges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
