/* loop: order of posts, lazy timers, watches and signals. */
#include "net/loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static struct loop *loop;
static char trail[64];
static size_t steps;

static void mark(char c)
{
    assert_true(steps < sizeof trail - 1);
    trail[steps++] = c;
    trail[steps] = 0;
}

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    steps = 0;
    trail[0] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static struct post first, second, third;

static void on_post(void *arg)
{
    mark(*(char *)arg);
}

static void on_posting_post(void *arg)
{
    mark(*(char *)arg);
    loop_post(loop, &third, on_post, "c");
}

static void posts_run_in_order_and_nested_ones_in_the_next_batch(void **state)
{
    (void)state;
    loop_post(loop, &first, on_posting_post, "a");
    loop_post(loop, &second, on_post, "b");
    loop_post(loop, &second, on_post, "b"); /* queued once only */
    loop_run(loop);
    assert_string_equal(trail, "abc");
}

static void a_cancelled_post_does_not_run(void **state)
{
    (void)state;
    struct post idle = {0};
    post_cancel(&idle);
    loop_post(loop, &first, on_post, "a");
    loop_post(loop, &second, on_post, "b");
    post_cancel(&first);
    loop_run(loop);
    assert_string_equal(trail, "b");
}

static void on_time(void *arg)
{
    mark(*(char *)arg);
}

static void timers_fire_by_deadline_and_not_early(void **state)
{
    (void)state;
    struct timer a, b, c;
    timer_init(&a, loop, on_time, "a");
    timer_init(&b, loop, on_time, "b");
    timer_init(&c, loop, on_time, "c");
    uint64_t began = clock_ms();
    timer_set(&a, 30);
    timer_set(&b, 10);
    timer_set(&c, 20);
    timer_cancel(&c);
    loop_run(loop);
    assert_string_equal(trail, "ba");
    assert_true(clock_ms() - began >= 30);
    timer_clear(&a);
    timer_clear(&b);
    timer_clear(&c);
}

static void moving_a_deadline_later_keeps_the_armed_event(void **state)
{
    (void)state;
    struct timer a;
    timer_init(&a, loop, on_time, "a");
    uint64_t began = clock_ms();
    timer_set(&a, 5);
    uint64_t armed = a.armed;
    timer_set(&a, 40);
    assert_int_equal(a.armed, armed);
    loop_run(loop);
    assert_string_equal(trail, "a");
    assert_true(clock_ms() - began >= 40);
    timer_set(&a, 1000);
    timer_set(&a, 1); /* earlier: must not wait for the old one */
    began = clock_ms();
    loop_run(loop);
    assert_true(clock_ms() - began < 900);
    timer_clear(&a);
}

struct pair {
    int ends[2];
    struct watch watch;
    int seen;
};

static void on_ready(void *arg, int events)
{
    struct pair *p = arg;
    p->seen |= events;
    mark(events & WATCH_READ ? 'r' : 'w');
    watch_set(&p->watch, 0);
}

static void watches_report_and_can_change(void **state)
{
    (void)state;
    struct pair p = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.ends), 0);
    watch_init(&p.watch, loop, p.ends[0], on_ready, &p);
    watch_set(&p.watch, WATCH_READ);
    assert_int_equal(write(p.ends[1], "x", 1), 1);
    loop_run(loop);
    watch_set(&p.watch, WATCH_WRITE);
    loop_run(loop);
    assert_string_equal(trail, "rw");
    watch_clear(&p.watch);
    close(p.ends[0]);
    close(p.ends[1]);
}

static void on_edge(void *arg, int events)
{
    (void)events;
    struct pair *p = arg;
    mark('e');
    if (steps == 1)
        close(p->ends[1]);
    else
        loop_stop(loop);
}

static void edges_tell_of_the_end_behind_unread_bytes(void **state)
{
    (void)state;
    struct pair p = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.ends), 0);
    watch_init(&p.watch, loop, p.ends[0], on_edge, &p);
    watch_set(&p.watch, WATCH_READ | WATCH_EDGE);
    assert_int_equal(write(p.ends[1], "x", 1), 1);
    loop_run(loop);
    assert_string_equal(trail, "ee");
    watch_clear(&p.watch);
    close(p.ends[0]);
}

static void on_usr1(void *arg)
{
    mark(*(char *)arg);
    loop_stop(loop);
}

static void raise_usr1(void *arg)
{
    (void)arg;
    raise(SIGUSR1);
}

static void signals_arrive_in_the_loop(void **state)
{
    (void)state;
    loop_on_signal(loop, SIGUSR1, on_usr1, "s");
    loop_post(loop, &first, raise_usr1, NULL);
    loop_run(loop);
    assert_string_equal(trail, "s");
}

static void on_hour(void *arg)
{
    (void)arg;
    fail_msg("the loop slept while a post waited");
}

static void post_again(void *arg)
{
    mark('p');
    if (steps < 5)
        loop_post(loop, arg, post_again, arg);
    else
        loop_stop(loop);
}

static void the_loop_does_not_sleep_while_posts_wait(void **state)
{
    (void)state;
    struct timer watchdog;
    timer_init(&watchdog, loop, on_hour, NULL);
    timer_set(&watchdog, 5000);
    loop_post(loop, &first, post_again, &first);
    loop_run(loop);
    assert_string_equal(trail, "ppppp");
    timer_clear(&watchdog);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(posts_run_in_order_and_nested_ones_in_the_next_batch),
        TEST(a_cancelled_post_does_not_run),
        TEST(timers_fire_by_deadline_and_not_early),
        TEST(moving_a_deadline_later_keeps_the_armed_event),
        TEST(watches_report_and_can_change),
        TEST(edges_tell_of_the_end_behind_unread_bytes),
        TEST(signals_arrive_in_the_loop),
        TEST(the_loop_does_not_sleep_while_posts_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
