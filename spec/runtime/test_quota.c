/* Limits of a key: exact over many processes, also when some are killed inside; and they come back when the window moves on. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/shm.h"
#include "policy/quota.h"

enum { CHILDREN = 8, TRIES = 400, DAY_US = 86400000 };

static struct quota *q;

static int open_quota(void **state)
{
    (void)state;
    q = shm_new(sizeof *q);
    quota_init(q);
    return 0;
}

static int close_quota(void **state)
{
    (void)state;
    shm_free(q, sizeof *q);
    return 0;
}

static struct quota_time at(uint64_t second)
{
    return (struct quota_time){second * 1000000000, second * 1000000};
}

static struct quota_answer admit(const struct quota_limits *l, uint64_t tokens, uint64_t second, struct quota_hold *hold)
{
    return quota_admit(q, l, 0, tokens, false, at(second), hold);
}

/* Forks children that run `act`; returns the sum of what they exit with. */
static int in_children(int (*act)(int child))
{
    pid_t pids[CHILDREN];
    int sum = 0, status;
    for (int i = 0; i < CHILDREN; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(act(i));
    }
    for (int i = 0; i < CHILDREN; i++) {
        waitpid(pids[i], &status, 0);
        sum += WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    }
    return sum;
}

static int ask_often(int child)
{
    static const struct quota_limits LIMITS = {.rpm = 100};
    int got = 0;
    for (int i = 0; i < TRIES; i++) {
        struct quota_hold hold;
        got += quota_admit(q, &LIMITS, (unsigned)child, 1, false, at(5), &hold).why == QUOTA_OK;
    }
    return got;
}

static void test_processes_share_one_window(void **state)
{
    (void)state;
    assert_int_equal(in_children(ask_often), 100);
}

/* More a day than never_end spends before it is killed, however late that is. */
static const struct quota_limits BUSY = {.concurrent = 3, .usd_per_day = 1000};

static int come_and_go(int child)
{
    for (int i = 0; i < TRIES; i++) {
        struct quota_hold hold;
        if (quota_admit(q, &BUSY, (unsigned)child, 1, false, at(5), &hold).why != QUOTA_OK)
            continue;
        quota_reserve(q, &BUSY, (unsigned)child, 1e-6, false, at(5), &hold);
        uint32_t running = 0;
        for (int w = 0; w < CHILDREN; w++)
            running += ((volatile struct quota *)q)->held[w].running;
        if (running > 2 * BUSY.concurrent) /* unlocked: two may change while it is summed */
            return 1;
        quota_settle(q, (unsigned)child, 1, 1e-6, at(5), &hold);
    }
    return 0;
}

static void test_places_come_back(void **state)
{
    (void)state;
    assert_int_equal(in_children(come_and_go), 0);
    for (int w = 0; w < CHILDREN; w++)
        assert_int_equal(q->held[w].running, 0);
    struct quota_hold hold;
    for (int i = 0; i < 3; i++)
        assert_int_equal(admit(&BUSY, 1, 5, &hold).why, QUOTA_OK);
    assert_int_equal(admit(&BUSY, 1, 5, &hold).why, QUOTA_CONCURRENT);
}

static int never_end(int child)
{
    for (;;)
        come_and_go(child);
    return 0;
}

static void test_killed_inside(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(never_end(1));
        double before = ((volatile struct quota *)q)->spent;
        while (((volatile struct quota *)q)->spent < before + 20e-6 * (1 + round % 3))
            ;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        quota_forget(q, 1);
    }
    assert_int_equal(q->held[1].running, 0);
    assert_true(q->held[1].usd == 0);
    struct quota_hold hold;
    assert_int_equal(admit(&BUSY, 1, 5, &hold).why, QUOTA_OK);
}

static void test_wait_for_money(void **state)
{
    (void)state;
    static const struct quota_limits LIMITS = {.usd_per_day = 1};
    struct quota_hold mine, other;
    admit(&LIMITS, 1, 86400 + 100, &mine);
    admit(&LIMITS, 1, 86400 + 100, &other);
    assert_true(quota_reserve(q, &LIMITS, 0, 0.75, false, at(86400 + 100), &other));
    assert_false(quota_reserve(q, &LIMITS, 0, 0.5, false, at(86400 + 100), &mine));
    assert_int_equal(quota_usd_wait_s(q, mine.usd, at(86400 + 100)), 1); /* the other may use less than it holds */
    quota_settle(q, 0, 1, 0.75, at(86400 + 100), &other);
    assert_false(quota_reserve(q, &LIMITS, 0, 0.5, false, at(86400 + 100), &mine));
    assert_int_equal(quota_usd_wait_s(q, mine.usd, at(86400 + 100)), 86400 - 100);
}

static void test_window_slides(void **state)
{
    (void)state;
    static const struct quota_limits LIMITS = {.rpm = 2};
    struct quota_hold hold;
    assert_int_equal(admit(&LIMITS, 1, 100, &hold).why, QUOTA_OK);
    assert_int_equal(admit(&LIMITS, 1, 130, &hold).why, QUOTA_OK);
    struct quota_answer a = admit(&LIMITS, 1, 140, &hold);
    assert_int_equal(a.why, QUOTA_REQUESTS);
    assert_int_equal(a.wait_s, 21); /* second 100 is out of any minute from 161 on */
    assert_int_equal(admit(&LIMITS, 1, 160, &hold).why, QUOTA_REQUESTS);
    assert_int_equal(admit(&LIMITS, 1, 161, &hold).why, QUOTA_OK);
    assert_int_equal(admit(&LIMITS, 1, 162, &hold).why, QUOTA_REQUESTS);
    assert_int_equal(admit(&LIMITS, 1, 1000, &hold).why, QUOTA_OK);
}

static void test_tokens_are_settled(void **state)
{
    (void)state;
    static const struct quota_limits LIMITS = {.tpm = 100};
    struct quota_hold first, second;
    assert_int_equal(admit(&LIMITS, 80, 10, &first).why, QUOTA_OK);
    assert_int_equal(admit(&LIMITS, 30, 11, &second).why, QUOTA_TOKENS);
    quota_settle(q, 0, 20, 0, at(12), &first);
    assert_int_equal(admit(&LIMITS, 30, 12, &second).why, QUOTA_OK);
    assert_int_equal(q->tokens, 50);
    quota_settle(q, 0, 70, 0, at(13), &second); /* more than was reserved counts, too */
    assert_int_equal(admit(&LIMITS, 11, 13, &first).why, QUOTA_TOKENS);
    assert_int_equal(admit(&LIMITS, 10, 13, &first).why, QUOTA_OK);
}

static void test_open_requests_take_what_is_left(void **state)
{
    (void)state;
    static const struct quota_limits LIMITS = {.tpm = 100, .usd_per_day = 1};
    struct quota_hold hold, other;
    assert_int_equal(quota_admit(q, &LIMITS, 0, 5000, true, at(1), &hold).why, QUOTA_OK);
    assert_int_equal(hold.tokens, 100);
    assert_int_equal(quota_admit(q, &LIMITS, 0, 5000, true, at(1), &other).why, QUOTA_TOKENS);
    assert_true(quota_reserve(q, &LIMITS, 0, 7, true, at(1), &hold));
    assert_false(quota_reserve(q, &LIMITS, 0, 0.1, true, at(1), &hold));
    quota_settle(q, 0, 10, 0.25, at(2), &hold);
    assert_int_equal(quota_look(q, &LIMITS, at(2)).tokens_left, 90);
    assert_true(quota_look(q, &LIMITS, at(2)).usd_left == 0.75);
}

static void test_money_comes_back_at_midnight(void **state)
{
    (void)state;
    static const struct quota_limits LIMITS = {.usd_per_day = 1};
    struct quota_hold hold;
    uint64_t noon = DAY_US / 1000 + 43200;
    assert_int_equal(admit(&LIMITS, 1, noon, &hold).why, QUOTA_OK);
    assert_true(quota_reserve(q, &LIMITS, 0, 1, false, at(noon), &hold));
    assert_int_equal(quota_look(q, &LIMITS, at(noon)).why, QUOTA_USD);
    assert_int_equal(quota_look(q, &LIMITS, at(noon)).wait_s, 1); /* reserved only */
    quota_settle(q, 0, 1, 1, at(noon), &hold);
    struct quota_answer a = quota_look(q, &LIMITS, at(noon));
    assert_int_equal(a.why, QUOTA_USD);
    assert_int_equal(a.wait_s, 43200);
    assert_int_equal(quota_look(q, &LIMITS, at(noon + 43200)).why, QUOTA_OK);
}

static void test_what_a_dead_worker_reserved_is_spent(void **state)
{
    (void)state;
    static const struct quota_limits LIMITS = {.usd_per_day = 1, .concurrent = 1};
    struct quota_hold hold;
    assert_int_equal(admit(&LIMITS, 1, 1, &hold).why, QUOTA_OK);
    assert_true(quota_reserve(q, &LIMITS, 0, 0.4, false, at(1), &hold));
    quota_forget(q, 0);
    assert_true(q->spent == 0.4);
    assert_int_equal(admit(&LIMITS, 1, 1, &hold).why, QUOTA_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_quota, close_quota)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_processes_share_one_window),
        TEST(test_places_come_back),
        TEST(test_killed_inside),
        TEST(test_window_slides),
        TEST(test_wait_for_money),
        TEST(test_tokens_are_settled),
        TEST(test_open_requests_take_what_is_left),
        TEST(test_money_comes_back_at_midnight),
        TEST(test_what_a_dead_worker_reserved_is_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
