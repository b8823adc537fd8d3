/* What readers find: order, the newest, by id, the unfinished, what is missing or damaged. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "trace_folder.h"

static struct reader *open_reader(const char *dir)
{
    struct err err;
    struct reader *r = reader_open(dir, &err);
    if (r == NULL)
        fail_msg("%s", err.message);
    return r;
}

static void assert_id(const struct decision *d, const char *id)
{
    struct str got = record_text(&d->records[0], F_ID);
    if (!str_eq(got, id))
        fail_msg("expected %s, got " STR_FMT, id, STR_ARG(got));
}

static struct trace *open_slot(const char *dir, unsigned slot, uint64_t segment_bytes)
{
    struct err err;
    struct trace *t = trace_open(&(struct trace_options){dir, slot, segment_bytes, 0}, &err);
    if (t == NULL)
        fail_msg("%s", err.message);
    return t;
}

static void test_slots_are_merged_by_time(void **state)
{
    struct trace *a = open_slot(*state, 0, 4096), *b = open_slot(*state, 1, 4096);
    char id[16];
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "d%03d", i);
        folder_decide(i % 3 ? a : b, (uint64_t)i + 1, id);
    }
    struct reader *r = open_reader(*state);
    uint64_t before = 0;
    char seen[300] = {0};
    for (int i = 0; i < 300; i++) {
        struct decision *d = reader_next(r);
        assert_non_null(d);
        assert_true(d->ended_us >= before);
        before = d->ended_us;
        seen[atoi(record_text(&d->records[0], F_ID).p + 1)]++;
        decision_free(d);
    }
    for (int i = 0; i < 300; i++)
        assert_int_equal(seen[i], 1);
    assert_null(reader_next(r));
    folder_decide(a, 900, "later"); /* the same reader sees what comes */
    struct decision *d = reader_next(r);
    assert_non_null(d);
    assert_id(d, "later");
    decision_free(d);
    reader_close(r);
    trace_close(a);
    trace_close(b);
}

static void test_events_of_many_decisions_interleave(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 0);
    char id[16];
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "d%d", i);
        folder_begin(t, (uint64_t)i + 1, id);
    }
    for (int i = 99; i >= 0; i--) {
        struct event *e = event_open(t, EVENT_DECISION, (uint64_t)i + 1);
        event_int(e, F_STATUS, 200 + i);
        event_close(e);
    }
    struct reader *r = open_reader(*state);
    for (int i = 99; i >= 0; i--) {
        double status;
        struct decision *d = reader_next(r);
        assert_non_null(d);
        snprintf(id, sizeof id, "d%d", i);
        assert_id(d, id);
        assert_true(record_number(&d->records[0], F_STATUS, &status));
        assert_int_equal((int)status, 200 + i);
        decision_free(d);
    }
    reader_close(r);
    trace_close(t);
}

static void test_newest_reads_only_the_end(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 0);
    char id[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(id, sizeof id, "d%d", i);
        folder_decide(t, (uint64_t)i + 1, id);
    }
    struct reader *r = open_reader(*state);
    struct decision *found[20];
    assert_int_equal(reader_newest(r, 20, NULL, NULL, found), 20);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "d%d", 1980 + i);
        assert_id(found[i], id);
        decision_free(found[i]);
    }
    uint64_t all = trace_counts(t).segments;
    assert_true(all > 50);
    assert_true(reader_report(r).segments < all / 4);
    reader_close(r);
    trace_close(t);
}

/* The newest decision may have begun long ago: its beginning is fetched from where it lies. */
static void test_newest_with_a_long_one(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 0);
    char id[16];
    folder_begin(t, 5000, "long");
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "d%d", i);
        folder_decide(t, (uint64_t)i + 1, id);
    }
    event_close(event_open(t, EVENT_DECISION, 5000));
    struct reader *r = open_reader(*state);
    struct decision *found[2];
    assert_int_equal(reader_newest(r, 2, NULL, NULL, found), 2);
    assert_id(found[0], "d499");
    assert_id(found[1], "long");
    decision_free(found[0]);
    decision_free(found[1]);
    reader_close(r);
    trace_close(t);
}

static void test_skip(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 0);
    for (uint64_t i = 1; i <= 100; i++)
        folder_decide(t, i, "before");
    folder_begin(t, 200, "open");
    struct reader *r = open_reader(*state);
    reader_skip(r);
    assert_null(reader_next(r));
    folder_decide(t, 101, "after");
    event_close(event_open(t, EVENT_DECISION, 200));
    struct decision *d = reader_next(r);
    assert_non_null(d);
    assert_id(d, "after");
    decision_free(d);
    d = reader_next(r);
    assert_non_null(d);
    assert_id(d, "open");
    decision_free(d);
    reader_close(r);
    trace_close(t);
}

static bool is_odd(void *ctx, const struct decision *d)
{
    (void)ctx;
    return d->number % 2;
}

static void test_newest_of_those_accepted(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 0);
    for (uint64_t i = 1; i <= 100; i++)
        folder_decide(t, i, "x");
    struct reader *r = open_reader(*state);
    struct decision *found[80];
    assert_int_equal(reader_newest(r, 80, is_odd, NULL, found), 50);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(found[i]->number, 2 * i + 1);
        decision_free(found[i]);
    }
    reader_close(r);
    trace_close(t);
}

static void test_find(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 0);
    char id[16];
    struct err err;
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "d%d", i);
        folder_decide(t, (uint64_t)i + 1, id);
    }
    folder_begin(t, 1000, "open");
    struct reader *r = open_reader(*state);
    struct decision *d = reader_find(r, str_of("d2"), &err); /* a whole id, though others begin so */
    assert_non_null(d);
    assert_id(d, "d2");
    assert_int_equal(decision_count(d, GROUP_ATTEMPT), 1);
    decision_free(d);
    d = reader_find(r, str_of("ope"), &err);
    assert_non_null(d);
    assert_false(d->is_finished);
    decision_free(d);
    assert_null(reader_find(r, str_of("d"), &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_null(reader_find(r, str_of("zz"), &err));
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
    assert_non_null(strstr(err.message, "wye trace"));
    reader_close(r);
    trace_close(t);
}

static void test_unfinished_and_lost(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    folder_begin(t, 1, "lost");
    folder_decide(t, 2, "whole");
    trace_close(t);
    t = folder_trace(*state, 0, 0);
    folder_begin(t, 1, "open"); /* the number of the lost one, in another run */
    struct reader *r = open_reader(*state);
    reader_want_lost(r);
    struct decision *d = reader_next(r);
    assert_id(d, "whole");
    decision_free(d);
    d = reader_next(r);
    assert_non_null(d);
    assert_id(d, "lost");
    assert_false(d->is_finished);
    decision_free(d);
    assert_null(reader_next(r));
    d = reader_unfinished(r);
    assert_id(d, "open");
    assert_true(str_eq(record_text(&d->records[0], F_STATE), "unfinished"));
    decision_free(d);
    assert_null(reader_unfinished(r));
    reader_close(r);
    trace_close(t);
}

static void test_deleted_segments_are_counted(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 0);
    for (uint64_t i = 1; i <= 200; i++)
        folder_decide(t, i, "some id of some length");
    trace_close(t);
    struct segment_name *names;
    int count = segment_list(*state, 0, &names, NULL);
    assert_true(count > 6);
    char path[4096];
    segment_path(path, sizeof path, *state, 0, names[3].sequence);
    assert_int_equal(unlink(path), 0);
    free(names);
    struct reader *r = open_reader(*state);
    int found = 0;
    for (struct decision *d; (d = reader_next(r)); decision_free(d))
        found++;
    assert_true(found > 150 && found < 200);
    assert_true(reader_report(r).missed > 0);
    reader_close(r);
}

static void test_total_size(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 64 * 1024);
    for (uint64_t i = 1; i <= 3000; i++)
        folder_decide(t, i, "some id of some length");
    trace_close(t);
    struct segment_name *names;
    int count = segment_list(*state, 0, &names, NULL);
    uint64_t total = 0;
    for (int i = 0; i < count; i++)
        total += names[i].disk_bytes;
    free(names);
    assert_true(total <= 64 * 1024 + 2 * 4096);
    struct reader *r = open_reader(*state);
    struct decision *newest;
    assert_int_equal(reader_newest(r, 1, NULL, NULL, &newest), 1);
    assert_int_equal(newest->number, 3000);
    decision_free(newest);
    reader_close(r);
}

static void patch(const char *dir, off_t at, const void *p, size_t len)
{
    char path[4096];
    segment_path(path, sizeof path, dir, 0, 1);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, p, len, at), (ssize_t)len);
    close(fd);
}

static void test_newer_versions_are_named(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    folder_decide(t, 1, "x");
    trace_close(t);
    uint32_t two = 2;
    patch(*state, offsetof(struct segment_head, version), &two, sizeof two);
    struct reader *r = open_reader(*state);
    assert_null(reader_next(r));
    assert_non_null(strstr(reader_report(r).unreadable_why,
                           "written by a newer wye: version 2; this one reads 1"));
    reader_close(r);
}

static void test_no_folder(void **state)
{
    (void)state;
    struct err err;
    assert_null(reader_open("/tmp/wye-no-such-folder", &err));
    assert_non_null(strstr(err.message, "No such file"));
}

enum { TOGETHER = 4000 };

static void *write_many(void *arg)
{
    struct trace *t = arg;
    char id[64];
    for (int i = 1; i <= TOGETHER; i++) {
        snprintf(id, sizeof id, "%0*d", 4 + i % 50, i);
        folder_decide(t, (uint64_t)i, id);
    }
    return NULL;
}

static void test_reader_beside_a_writer(void **state)
{
    struct trace *t = folder_trace(*state, 16 * 1024, 0);
    struct reader *r = open_reader(*state);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_many, t), 0);
    for (int next = 1; next <= TOGETHER;) {
        struct decision *d = reader_next(r);
        if (d == NULL)
            continue;
        assert_int_equal(d->number, next);
        assert_true(str_same(record_text(&d->records[0], F_ID), record_text(&d->records[0], F_REASON)));
        assert_int_equal(atoi(record_text(&d->records[0], F_ID).p), next);
        decision_free(d);
        next++;
    }
    pthread_join(writer, NULL);
    struct reader_report report = reader_report(r);
    assert_int_equal(report.torn, 0);
    assert_int_equal(report.missed, 0);
    reader_close(r);
    trace_close(t);
}

enum { SEGMENTS = 300 };

static void *create_many(void *dir)
{
    for (uint64_t i = 1; i <= SEGMENTS; i++) {
        struct err err;
        struct segment *s = segment_create(dir, 0, i, 1, 1 << 20, &err);
        if (s == NULL)
            return xstrdup(err.message);
        segment_free(s);
    }
    return NULL;
}

/* One that is passed over while it is made would be passed over for good. */
static void test_a_segment_that_is_listed_can_be_mapped(void **state)
{
    pthread_t writer;
    uint64_t mapped = 0;
    void *failed;
    assert_int_equal(pthread_create(&writer, NULL, create_many, *state), 0);
    while (mapped < SEGMENTS) {
        struct segment_name *names;
        struct err err;
        char path[4096];
        int count = segment_list(*state, 0, &names, &err);
        assert_in_range(count, 0, SEGMENTS);
        if (count > 0)
            mapped = names[count - 1].sequence;
        free(names);
        segment_path(path, sizeof path, *state, 0, mapped);
        struct segment *s = mapped ? segment_map(path, false, &err) : NULL;
        if (mapped && s == NULL)
            fail_msg("%s", err.message);
        if (s)
            segment_free(s);
    }
    pthread_join(writer, &failed);
    assert_null(failed);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_slots_are_merged_by_time),
        IN_FOLDER(test_events_of_many_decisions_interleave),
        IN_FOLDER(test_newest_reads_only_the_end),
        IN_FOLDER(test_newest_with_a_long_one),
        IN_FOLDER(test_newest_of_those_accepted),
        IN_FOLDER(test_skip),
        IN_FOLDER(test_find),
        IN_FOLDER(test_unfinished_and_lost),
        IN_FOLDER(test_deleted_segments_are_counted),
        IN_FOLDER(test_total_size),
        IN_FOLDER(test_newer_versions_are_named),
        IN_FOLDER(test_no_folder),
        IN_FOLDER(test_reader_beside_a_writer),
        IN_FOLDER(test_a_segment_that_is_listed_can_be_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
