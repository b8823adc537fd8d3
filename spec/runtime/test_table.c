/* The shared map: what it holds, what makes room, and that many processes, some killed inside, leave it whole. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/table.h"

enum { BYTES = 64 * 1024, TEXT = 1, NUMBER = 2, CHILDREN = 6, ROUNDS = 20000 };

static struct table *t;

static int open_table(void **state)
{
    (void)state;
    t = table_new(2, 2 * BYTES, 64);
    table_resize(t, BYTES);
    return 0;
}

static int close_table(void **state)
{
    (void)state;
    table_free(t);
    return 0;
}

static enum table_result set(const char *key, const char *value, uint64_t ttl, uint64_t now)
{
    return table_set(t, str_of(key), TEXT, str_of(value), ttl, now);
}

/* The value, or NULL; good until the next call. */
static const char *get(const char *key, uint64_t now)
{
    static struct buf out = BUF(BYTES);
    uint8_t kind;
    buf_reset(&out);
    if (table_get(t, str_of(key), now, &kind, &out) != TABLE_OK)
        return NULL;
    assert_int_equal(kind, TEXT);
    return out.p;
}

static void test_holds_what_it_was_given(void **state)
{
    (void)state;
    assert_int_equal(set("a", "one", 0, 1), TABLE_OK);
    assert_int_equal(set("b", "two", 0, 1), TABLE_OK);
    assert_int_equal(set("a", "three", 0, 1), TABLE_OK);
    assert_string_equal(get("a", 1), "three");
    assert_string_equal(get("b", 1), "two");
    assert_null(get("c", 1));
    assert_int_equal(table_counts(t).entries, 2);
    assert_int_equal(table_delete(t, str_of("a"), 1), TABLE_OK);
    assert_int_equal(table_delete(t, str_of("a"), 1), TABLE_ABSENT);
    assert_null(get("a", 1));
    assert_int_equal(table_counts(t).entries, 1);
}

static void test_lives_end(void **state)
{
    (void)state;
    set("a", "one", 100, 1000);
    assert_non_null(get("a", 1099));
    assert_null(get("a", 1100));
    assert_int_equal(table_expire(t, str_of("a"), 100, 1100), TABLE_ABSENT);
    set("a", "two", 0, 2000);
    assert_int_equal(table_expire(t, str_of("a"), 50, 2000), TABLE_OK);
    assert_non_null(get("a", 2049));
    assert_null(get("a", 2050));
}

static void test_adds(void **state)
{
    (void)state;
    double sum;
    assert_int_equal(table_add(t, str_of("n"), NUMBER, 2, 100, 10, &sum), TABLE_OK);
    assert_true(sum == 2);
    assert_int_equal(table_add(t, str_of("n"), NUMBER, 0.5, 100, 100, &sum), TABLE_OK);
    assert_true(sum == 2.5);
    assert_int_equal(table_add(t, str_of("n"), NUMBER, 1, 100, 110, &sum), TABLE_OK);
    assert_true(sum == 1); /* its life was not prolonged */
    set("s", "text", 0, 1);
    assert_int_equal(table_add(t, str_of("s"), NUMBER, 1, 0, 1, &sum), TABLE_WRONG_KIND);
}

static void test_refuses_what_is_too_large(void **state)
{
    (void)state;
    static char large[BYTES];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(set("a", large, 0, 1), TABLE_TOO_LARGE);
    assert_null(get("a", 1));
    table_resize(t, 0);
    assert_int_equal(set("a", "b", 0, 1), TABLE_TOO_LARGE);
    assert_null(get("a", 1));
}

static void test_the_oldest_make_room_and_what_is_used_stays(void **state)
{
    (void)state;
    char key[32], value[64];
    set("kept", "here", 0, 1);
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "key %d", i);
        snprintf(value, sizeof value, "value %d", i);
        assert_int_equal(set(key, value, 0, 1), TABLE_OK);
        assert_string_equal(get(key, 1), value);
        if (i % 50 == 0)
            assert_string_equal(get("kept", 1), "here");
    }
    assert_null(get("key 0", 1));
    assert_in_range(table_counts(t).entries, 200, 2 * BYTES / 64);
    assert_true(table_counts(t).evictions > 10000);
}

static void test_another_size_empties_it(void **state)
{
    (void)state;
    set("a", "one", 0, 1);
    table_resize(t, BYTES);
    assert_non_null(get("a", 1));
    table_resize(t, BYTES / 2);
    assert_null(get("a", 1));
    assert_int_equal(table_counts(t).entries, 0);
    assert_int_equal(set("a", "two", 0, 1), TABLE_OK);
    table_resize(t, 2 * BYTES);
    assert_null(get("a", 1));
    test_the_oldest_make_room_and_what_is_used_stays(state);
}

/* Values tell their key, so that a mixed-up one is seen. */
static int work(int child, int rounds)
{
    char key[32], value[600];
    double sum;
    unsigned seed = (unsigned)child * 7919u + 1;
    for (int i = 0; i != rounds; i++) {
        seed = seed * 1664525u + 1013904223u;
        snprintf(key, sizeof key, "k%u", seed >> 16 & 511);
        int len = snprintf(value, sizeof value, "%s:", key);
        memset(value + len, 'v', seed % 500);
        value[len + (int)(seed % 500)] = '\0';
        if (seed & 1 << 20)
            set(key, value, 0, 1);
        const char *found = get(key, 1);
        if (found && (strncmp(found, value, (size_t)len) != 0))
            return 1;
        table_add(t, str_of("sum"), NUMBER, 1, 0, 1, &sum);
    }
    return 0;
}

static void test_processes_share_it(void **state)
{
    (void)state;
    pid_t pids[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(work(i, ROUNDS));
    }
    int status, failed = 0;
    for (int i = 0; i < CHILDREN; i++) {
        waitpid(pids[i], &status, 0);
        failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    assert_int_equal(failed, 0);
    double sum;
    table_add(t, str_of("sum"), NUMBER, 0, 0, 1, &sum);
    assert_true(sum == CHILDREN * ROUNDS);
}

static void test_killed_inside(void **state)
{
    (void)state;
    double sum, before = 0;
    for (int round = 0; round < 60; round++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(work(round, -1));
        do
            table_add(t, str_of("sum"), NUMBER, 0, 0, 1, &sum);
        while (sum < before + 100 + round % 7);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        table_add(t, str_of("sum"), NUMBER, 0, 0, 1, &before);
        assert_int_equal(work(round, 200), 0);
        before += 200;
    }
    table_add(t, str_of("sum"), NUMBER, 0, 0, 1, &sum);
    assert_true(sum == before);
    test_the_oldest_make_room_and_what_is_used_stays(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_holds_what_it_was_given),
        TEST(test_lives_end),
        TEST(test_adds),
        TEST(test_refuses_what_is_too_large),
        TEST(test_the_oldest_make_room_and_what_is_used_stays),
        TEST(test_another_size_empties_it),
        TEST(test_processes_share_it),
        TEST(test_killed_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
