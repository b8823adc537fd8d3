/* The writer of the trace, and what is found of it afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "trace/record.h"
#include "trace/segment.h"
#include "trace_folder.h"

static void test_crc32c(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    unsigned char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t len = 0; len <= sizeof bytes; len++)
        assert_int_equal(crc32c(0, bytes, len), crc32c_by_table(0, bytes, len));
    assert_int_equal(crc32c(crc32c(0, bytes, 7), bytes + 7, 100), crc32c(0, bytes, 107));
}

static void write_event(struct trace *t, uint64_t decision, const char *text)
{
    struct event *e = event_open(t, EVENT_NOTE, decision);
    event_z(e, F_TEXT, text);
    event_int(e, F_N, -5);
    event_num(e, F_P, 0.25);
    event_close(e);
}

/* All events of the folder must come in order. Returns how many segments are torn. */
static int count_events(const char *dir, uint64_t *events)
{
    struct segment_name *names;
    int count = segment_list(dir, -1, &names, NULL), torn = 0;
    uint64_t last = 0;
    *events = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        segment_path(path, sizeof path, dir, names[i].slot, names[i].sequence);
        struct segment *s = segment_map(path, false, NULL);
        assert_non_null(s);
        uint64_t at = SEGMENT_FIRST;
        const struct event_head *e;
        int found;
        while ((found = segment_walk(s, &at, &e)) > 0) {
            assert_true(e->seq > last);
            last = e->seq;
            ++*events;
        }
        torn += found < 0;
        segment_free(s);
    }
    free(names);
    return torn;
}

static void test_fields_of_an_event(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    write_event(t, 77, "hello");
    trace_close(t);
    char path[4096];
    segment_path(path, sizeof path, *state, 0, 1);
    struct segment *s = segment_map(path, false, NULL);
    assert_non_null(s);
    uint64_t at = SEGMENT_FIRST;
    const struct event_head *e;
    assert_int_equal(segment_walk(s, &at, &e), 1);
    assert_int_equal(e->decision, 77);
    assert_int_equal(e->type, EVENT_NOTE);
    struct field_view v;
    uint32_t in = 0;
    assert_true(event_walk(e, &in, &v));
    assert_int_equal(v.field, F_TEXT);
    assert_true(str_eq(v.text, "hello"));
    assert_true(event_walk(e, &in, &v));
    assert_int_equal(v.i, -5);
    assert_true(event_walk(e, &in, &v));
    assert_true(v.num == 0.25);
    assert_false(event_walk(e, &in, &v));
    assert_int_equal(segment_walk(s, &at, &e), 0);
    segment_free(s);
}

static void test_rotation(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 0);
    for (int i = 0; i < 2000; i++)
        write_event(t, (uint64_t)i, "some words to fill the segment with, sixty bytes or so of it");
    struct trace_counts counts = trace_counts(t);
    assert_int_equal(counts.events, 2000);
    assert_int_equal(counts.dropped, 0);
    assert_true(counts.segments > 60);
    trace_close(t);
    uint64_t events;
    assert_int_equal(count_events(*state, &events), 0);
    assert_int_equal(events, 2000);
}

static double thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* In the writer's own CPU time; the first round meets pages that nobody has touched. */
static void test_append_time(void **state)
{
    enum { ROUNDS = 4, TIMES = 20000 };
    struct trace *t = folder_trace(*state, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        double begin = thread_ns();
        for (int i = 0; i < TIMES; i++)
            write_event(t, (uint64_t)i, "a reason of twenty-odd bytes");
        print_message("append: %.0f ns for an event of %.0f bytes\n", (thread_ns() - begin) / TIMES,
                      (double)trace_counts(t).bytes / (double)trace_counts(t).events);
    }
    assert_int_equal(trace_counts(t).events, ROUNDS * TIMES);
    trace_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test_setup_teardown(test_fields_of_an_event, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_rotation, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_append_time, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
