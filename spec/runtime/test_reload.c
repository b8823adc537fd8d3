/* The master's state machine with workers that the test plays: what each is ordered, and what their answers lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/shm.h"
#include "proc/reload.h"
#include "proc/store.h"

enum { WORKERS = 2 };

/* A worker's pid must be one that may be killed. */
static struct {
    struct loop *loop;
    struct crew crew;
    struct reload reload;
    struct stats_board *board;
    struct host_board *host;
    int ends[WORKERS]; /* the workers' side */
    char dir[64];
    struct reload_outcome last;
    int outcomes;
} t;

static void on_done(void *arg, const struct reload_outcome *o)
{
    (void)arg;
    t.last = *o;
    t.outcomes++;
}

static int open_world(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    strcpy(t.dir, "/tmp/wye-reload-XXXXXX");
    if (!mkdtemp(t.dir) || store_open(t.dir, NULL) < 0)
        return -1;
    t.loop = loop_new();
    t.board = shm_new(sizeof *t.board);
    t.host = shm_new(sizeof *t.host);
    atomic_store(&t.board->workers, WORKERS);
    t.crew = (struct crew){.loop = t.loop, .host = t.host, .count = WORKERS, .common = {.board = t.board}};
    t.reload = (struct reload){.loop = t.loop, .crew = &t.crew, .host = t.host, .board = t.board, .project = "/nowhere",
                               .state_dir = t.dir};
    reload_open(&t.reload);
    for (unsigned i = 0; i < WORKERS; i++) {
        int pair[2];
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
        t.ends[i] = pair[1];
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                pause();
        t.crew.slots[i] = (struct crew_slot){
            .crew = &t.crew, .index = i, .state = WORKER_SERVING, .pid = pid, .listen_fd = -1, .orders = pair[0]};
    }
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    char command[128];
    for (unsigned i = 0; i < WORKERS; i++) {
        kill(t.crew.slots[i].pid, SIGKILL);
        waitpid(t.crew.slots[i].pid, NULL, 0);
        close(t.crew.slots[i].orders);
        close(t.ends[i]);
    }
    reload_close(&t.reload);
    loop_free(t.loop);
    shm_free(t.board, sizeof *t.board);
    shm_free(t.host, sizeof *t.host);
    snprintf(command, sizeof command, "rm -rf %s", t.dir);
    return system(command);
}

/* What worker i was ordered next. */
static void expect(int i, enum order order, unsigned id)
{
    struct order_message m;
    int fd;
    assert_int_equal(order_receive(t.ends[i], &m, &fd), 1);
    assert_int_equal(m.order, order);
    assert_int_equal(m.id, id);
    assert_int_equal(fd >= 0, order == ORDER_LOAD);
    if (fd >= 0)
        close(fd);
}

static void expect_all(enum order order, unsigned id)
{
    for (int i = 0; i < WORKERS; i++)
        expect(i, order, id);
}

static void expect_silence(void)
{
    struct order_message m;
    int fd;
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(order_receive(t.ends[i], &m, &fd), 0);
}

static void say(int i, enum order order, unsigned id)
{
    struct crew_slot *s = &t.crew.slots[i];
    struct order_message m = {.order = order, .id = id};
    if (order == ORDER_FAILED)
        strcpy(m.text, "routes/route.lua:3: no");
    if (order == ORDER_READY)
        for (int k = 0; k < CREW_READY; k++)
            if (!s->ready[k]) {
                s->ready[k] = id;
                break;
            }
    if (order == ORDER_READY || order == ORDER_FAILED)
        s->loading--;
    if (order == ORDER_USED)
        s->live = id;
    reload_told(&t.reload, s, &m);
}

static void say_all(enum order order, unsigned id)
{
    for (int i = 0; i < WORKERS; i++)
        say(i, order, id);
}

/* As if the throw-away child had accepted the project. */
static void load(const char *hash, bool then_use)
{
    reload_start(&t.reload, then_use, false, on_done, NULL);
    struct loader_result result = {.ok = true, .files = 2};
    snprintf(result.hash, sizeof result.hash, "%064d", atoi(hash));
    int memory = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct loader *l = &t.reload.loader;
    void (*done)(void *, struct loader_result *, int) = l->done;
    pid_t pid = l->pid;
    loader_cancel(l);
    waitpid(pid, NULL, 0);
    done(&t.reload, &result, memory);
}

static void go_live(const char *hash, unsigned id)
{
    load(hash, true);
    expect_all(ORDER_LOAD, id);
    say_all(ORDER_READY, id);
    expect_all(ORDER_USE, id);
    say_all(ORDER_USED, id);
    assert_int_equal(t.last.status, 200);
    assert_int_equal(t.reload.live, id);
    assert_int_equal(t.reload.phase, RELOAD_IDLE);
}

static void nobody_uses_it_before_all_hold_it(void **state)
{
    (void)state;
    load("1", true);
    expect_all(ORDER_LOAD, 1);
    say(0, ORDER_READY, 1);
    expect_silence();
    say(1, ORDER_READY, 1);
    expect_all(ORDER_USE, 1);
    say(0, ORDER_USED, 1);
    assert_int_equal(t.outcomes, 0);
    say(1, ORDER_USED, 1);
    assert_int_equal(t.outcomes, 1);
    assert_int_equal(t.last.generation, 1);
    char current[STORE_HASH + 1];
    assert_int_equal(store_current(t.dir, current, NULL), 0);
    assert_string_equal(current, t.last.hash);
}

static void one_that_fails_has_it_dropped_everywhere(void **state)
{
    (void)state;
    go_live("1", 1);
    load("2", true);
    expect_all(ORDER_LOAD, 2);
    say(0, ORDER_READY, 2);
    say(1, ORDER_FAILED, 2);
    expect_all(ORDER_DROP, 2);
    expect_silence();
    assert_int_equal(t.last.status, 422);
    assert_string_equal(t.last.error, "routes/route.lua:3: no");
    assert_int_equal(t.reload.live, 1);
    assert_null(warm_find(&t.reload.warm, 2));
}

static void a_second_change_is_refused_meanwhile(void **state)
{
    (void)state;
    go_live("1", 1);
    load("2", true);
    reload_start(&t.reload, true, false, on_done, NULL);
    assert_int_equal(t.last.status, 409);
    reload_drop(&t.reload, 1, on_done, NULL);
    assert_int_equal(t.last.status, 409);
    assert_int_equal(t.reload.phase, RELOAD_READYING);
}

static void the_same_bytes_are_no_change(void **state)
{
    (void)state;
    go_live("1", 1);
    load("1", true);
    expect_silence();
    assert_int_equal(t.last.status, 200);
    assert_true(t.last.is_unchanged);
    assert_int_equal(t.last.generation, 1);
}

static void rollback_goes_back_and_forth(void **state)
{
    (void)state;
    go_live("1", 1);
    reload_rollback(&t.reload, on_done, NULL);
    assert_int_equal(t.last.status, 409);
    go_live("2", 2);
    reload_rollback(&t.reload, on_done, NULL);
    expect_all(ORDER_USE, 1);
    say_all(ORDER_USED, 1);
    assert_int_equal(t.reload.live, 1);
    reload_rollback(&t.reload, on_done, NULL);
    expect_all(ORDER_USE, 2);
}

static void the_newest_three_before_the_live_one_stay_warm(void **state)
{
    (void)state;
    char hash[8];
    for (unsigned id = 1; id <= 4; id++) {
        snprintf(hash, sizeof hash, "%u", id);
        go_live(hash, id);
    }
    expect_silence();
    load("5", true);
    expect_all(ORDER_LOAD, 5);
    say_all(ORDER_READY, 5);
    expect_all(ORDER_USE, 5);
    say_all(ORDER_USED, 5);
    expect_all(ORDER_DROP, 1);
    assert_null(warm_find(&t.reload.warm, 1));
    assert_non_null(warm_find(&t.reload.warm, 2));
    reload_use(&t.reload, 1, on_done, NULL);
    assert_int_equal(t.last.status, 404);
    reload_drop(&t.reload, 5, on_done, NULL);
    assert_int_equal(t.last.status, 409);
}

static void three_hangs_quarantine_it_until_its_files_change(void **state)
{
    (void)state;
    go_live("1", 1);
    go_live("2", 2);
    probation_blame(&t.reload.probation, 2);
    probation_blame(&t.reload.probation, 2);
    expect_silence();
    probation_blame(&t.reload.probation, 2);
    expect_all(ORDER_USE, 1);
    say_all(ORDER_USED, 1);
    assert_int_equal(t.reload.live, 1);
    reload_use(&t.reload, 2, on_done, NULL);
    assert_int_equal(t.last.status, 409);
    load("2", true);
    assert_int_equal(t.last.status, 422);
    expect_silence();
    go_live("3", 3);
}

static void a_hang_while_another_change_is_under_way_waits_for_its_end(void **state)
{
    (void)state;
    go_live("1", 1);
    go_live("2", 2);
    load("3", true);
    expect_all(ORDER_LOAD, 3);
    for (int i = 0; i < WARM_KILLS; i++)
        probation_blame(&t.reload.probation, 2);
    expect_silence();
    say(0, ORDER_FAILED, 3);
    expect_all(ORDER_DROP, 3);
    expect_all(ORDER_USE, 1);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void count(unsigned id, int requests, int errors)
{
    for (int i = 0; i < requests; i++)
        stats_generation(&t.board->slots[i % WORKERS], id, i < errors);
}

static void run_for(unsigned ms)
{
    struct timer timer;
    timer_init(&timer, t.loop, stop, t.loop);
    timer_set(&timer, ms);
    loop_run(t.loop);
    timer_clear(&timer);
}

static void more_script_errors_than_before_bring_the_predecessor_back(void **state)
{
    (void)state;
    go_live("1", 1);
    count(1, 1000, 30);
    go_live("2", 2);
    count(2, 49, 49); /* too few to tell */
    run_for(450);
    expect_silence();
    count(2, 1, 0);
    run_for(450);
    expect_all(ORDER_USE, 1);
    say_all(ORDER_USED, 1);
    assert_int_equal(t.reload.live, 1);
    assert_int_equal(atomic_load(&t.host->reloads_reverted), 1);
}

static void errors_that_were_there_before_are_no_reason(void **state)
{
    (void)state;
    go_live("1", 1);
    count(1, 1000, 30);
    go_live("2", 2);
    count(2, 1000, 49);
    run_for(450);
    expect_silence();
    assert_int_equal(t.reload.live, 2);
}

static void a_successor_is_told_the_live_one_first(void **state)
{
    (void)state;
    go_live("1", 1);
    go_live("2", 2);
    memset(t.crew.slots[0].ready, 0, sizeof t.crew.slots[0].ready);
    reload_spawned(&t.reload, &t.crew.slots[0]);
    expect(0, ORDER_LOAD, 2);
    expect(0, ORDER_USE, 2);
    expect(0, ORDER_LOAD, 1);
    expect_silence();
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(nobody_uses_it_before_all_hold_it),
        CASE(one_that_fails_has_it_dropped_everywhere),
        CASE(a_second_change_is_refused_meanwhile),
        CASE(the_same_bytes_are_no_change),
        CASE(rollback_goes_back_and_forth),
        CASE(the_newest_three_before_the_live_one_stay_warm),
        CASE(three_hangs_quarantine_it_until_its_files_change),
        CASE(a_hang_while_another_change_is_under_way_waits_for_its_end),
        CASE(more_script_errors_than_before_bring_the_predecessor_back),
        CASE(errors_that_were_there_before_are_no_reason),
        CASE(a_successor_is_told_the_live_one_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
