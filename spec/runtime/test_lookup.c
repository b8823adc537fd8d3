/* Was there a decision of that number, and whose: in files that are kept, still written, deleted, or of a newer wye. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "trace/lookup.h"
#include "trace/record.h"
#include "trace/segment.h"
#include "trace_folder.h"

enum { MANY = 400 };

static uint64_t began; /* numbers are microseconds of wall time */

static void decide(struct trace *t, uint64_t number, const char *key, bool tells_at_end)
{
    struct event *e = event_open(t, EVENT_BEGIN, number);
    if (key && !tells_at_end)
        event_z(e, F_KEY, key);
    event_close(e);
    e = event_open(t, EVENT_DECISION, number);
    if (key && tells_at_end)
        event_z(e, F_KEY, key);
    event_close(e);
}

static int open_folder(void **state)
{
    began = clock_wall_us();
    return folder_make(state);
}

static enum lookup_result ask(struct lookup *l, uint64_t number, const char *key)
{
    uint64_t owner = 1;
    enum lookup_result result = lookup_decision(l, 0, number, &owner);
    if (result == LOOKUP_FOUND)
        assert_true(owner == (key ? lookup_owner(str_of(key)) : 0));
    return result;
}

static void test_found(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 1 << 20);
    struct lookup *l = lookup_new(*state);
    decide(t, began, "alice", false);
    decide(t, began + 1, "bob", true);
    decide(t, began + 2, NULL, false);
    assert_int_equal(ask(l, began, "alice"), LOOKUP_FOUND);
    assert_int_equal(ask(l, began + 1, "bob"), LOOKUP_FOUND);
    assert_int_equal(ask(l, began + 2, NULL), LOOKUP_FOUND);
    assert_int_equal(ask(l, began + 3, NULL), LOOKUP_ABSENT);
    decide(t, began + 3, "alice", false); /* in a file that was read before */
    assert_int_equal(ask(l, began + 3, "alice"), LOOKUP_FOUND);
    uint64_t owner;
    assert_int_equal(lookup_decision(l, 1, began, &owner), LOOKUP_ABSENT);
    for (uint64_t i = 4; i < MANY; i++) /* over some files more */
        decide(t, began + i, i % 2 ? "alice" : NULL, i % 3 == 0);
    for (uint64_t i = MANY - 1; i >= 4; i--)
        assert_int_equal(ask(l, began + i, i % 2 ? "alice" : NULL), LOOKUP_FOUND);
    lookup_free(l);
    trace_close(t);
}

static void test_deleted(void **state)
{
    struct segment_name *names;
    char path[4096];
    struct trace *t = folder_trace(*state, 4096, 1 << 20);
    for (uint64_t i = 0; i < MANY; i++)
        decide(t, began + i, NULL, false);
    struct lookup *l = lookup_new(*state);
    assert_int_equal(ask(l, began, NULL), LOOKUP_FOUND);
    assert_true(segment_list(*state, 0, &names, NULL) > 2);
    segment_path(path, sizeof path, *state, 0, names[0].sequence);
    free(names);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ask(l, began, NULL), LOOKUP_ABSENT);
    assert_int_equal(ask(l, began + MANY - 1, NULL), LOOKUP_FOUND);
    lookup_free(l);
    trace_close(t);
}

/* Misses cost reading, and reading is bounded; what is known already is told all the same. */
static void test_busy(void **state)
{
    struct trace *t = folder_trace(*state, 1 << 20, 1 << 22);
    struct lookup *l = lookup_new(*state);
    decide(t, began, "alice", false);
    assert_int_equal(ask(l, began, "alice"), LOOKUP_FOUND);
    enum lookup_result result = LOOKUP_ABSENT;
    uint64_t until = clock_ms() + 60 * 1000;
    for (uint64_t i = 1; result == LOOKUP_ABSENT && clock_ms() < until; i++)
        result = ask(l, began + i, NULL);
    assert_int_equal(result, LOOKUP_BUSY);
    assert_int_equal(ask(l, began, "alice"), LOOKUP_FOUND);
    lookup_free(l);
    trace_close(t);
}

static void test_newer(void **state)
{
    char path[4096];
    struct err err;
    struct lookup *l = lookup_new(*state);
    struct trace *t = folder_trace(*state, 4096, 1 << 20);
    decide(t, began, NULL, false);
    assert_int_equal(lookup_unread(l, 0, began, &err), LOOKUP_ABSENT);
    trace_close(t);
    segment_path(path, sizeof path, *state, 0, 1);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, &(uint32_t){SEGMENT_VERSION + 1}, 4, 8), 4);
    close(fd);
    assert_int_equal(ask(l, began, NULL), LOOKUP_ABSENT);
    assert_int_equal(lookup_unread(l, 0, began, &err), LOOKUP_FOUND);
    assert_non_null(strstr(err.message, "written by a newer wye"));
    assert_int_equal(lookup_unread(l, 1, began, &err), LOOKUP_ABSENT);
    lookup_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found, open_folder, folder_remove),
        cmocka_unit_test_setup_teardown(test_deleted, open_folder, folder_remove),
        cmocka_unit_test_setup_teardown(test_busy, open_folder, folder_remove),
        cmocka_unit_test_setup_teardown(test_newer, open_folder, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
