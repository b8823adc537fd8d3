/* What is left after a kill, a torn write, a full disk. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "trace_folder.h"

static char *first_path(const char *dir, char *out, size_t size)
{
    segment_path(out, size, dir, 0, 1);
    return out;
}

/* Whole decisions and torn segments that a reader finds. */
static int count_decisions(const char *dir, uint64_t *torn)
{
    struct reader *r = reader_open(dir, NULL);
    assert_non_null(r);
    int count = 0;
    for (struct decision *d; (d = reader_next(r)); decision_free(d))
        count++;
    *torn = reader_report(r).torn;
    reader_close(r);
    return count;
}

/* Where the nth event of the first segment, from 1, begins and ends. */
static void find_event(const char *dir, int nth, uint64_t *from, uint64_t *to)
{
    char path[4096];
    struct segment *s = segment_map(first_path(dir, path, sizeof path), false, NULL);
    assert_non_null(s);
    const struct event_head *e;
    for (uint64_t at = SEGMENT_FIRST; nth-- > 0;) {
        assert_int_equal(segment_walk(s, &at, &e), 1);
        *from = (uint64_t)((const char *)e - (const char *)s->head);
        *to = *from + e->length;
    }
    segment_free(s);
}

/* Five decisions, as a worker that was killed leaves them. *from, *to: where the last event begins and ends. */
static void leave_five(const char *dir, uint64_t *from, uint64_t *to)
{
    pid_t child = fork();
    if (child == 0) {
        struct trace *t = folder_trace(dir, 4096, 0);
        for (uint64_t i = 1; i <= 5; i++)
            folder_decide(t, i, "a word or two");
        _exit(0); /* no trace_close */
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    find_event(dir, 15, from, to);
}

static void write_byte(const char *path, uint64_t at, int flip)
{
    int fd = open(path, O_RDWR);
    unsigned char c;
    assert_int_equal(pread(fd, &c, 1, (off_t)at), 1);
    c ^= (unsigned char)flip;
    assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
    close(fd);
}

static void test_flipped_at_every_byte(void **state)
{
    uint64_t from, to, torn;
    char path[4096];
    leave_five(*state, &from, &to);
    first_path(*state, path, sizeof path);
    assert_int_equal(count_decisions(*state, &torn), 5);
    assert_int_equal(torn, 0);
    for (uint64_t at = from; at < to; at++)
        for (int bit = 1; bit <= 128; bit *= 2) {
            write_byte(path, at, bit);
            assert_int_equal(count_decisions(*state, &torn), 4);
            assert_int_equal(torn, 1);
            write_byte(path, at, bit);
        }
    assert_int_equal(count_decisions(*state, &torn), 5);
}

/* What is damaged in the middle costs its own decision and none behind it; the next process goes on above what is there. */
static void test_damage_in_the_middle(void **state)
{
    enum { THIRDS_END = 9 };
    uint64_t from, to, torn;
    char path[4096];
    leave_five(*state, &from, &to);
    find_event(*state, THIRDS_END, &from, &to);
    first_path(*state, path, sizeof path);
    for (uint64_t at = from; at < to; at++)
        for (int bit = 1; bit <= 128; bit *= 2) {
            write_byte(path, at, bit);
            struct reader *r = reader_open(*state, NULL);
            int count = 0;
            for (struct decision *d; (d = reader_next(r)); decision_free(d))
                count++;
            struct reader_report report = reader_report(r);
            reader_close(r);
            assert_int_equal(count, 4);
            assert_int_equal(report.torn, 0);
            assert_int_equal(report.damaged, 1);
            assert_int_equal(report.missed, 0);
            write_byte(path, at, bit);
        }
    write_byte(path, from, 0x40);
    struct trace *t = folder_trace(*state, 4096, 0);
    assert_int_equal(trace_counts(t).torn, 0);
    folder_decide(t, 6, "after");
    trace_close(t);
    assert_int_equal(count_decisions(*state, &torn), 5);
}

static void copy_file(const char *from, const char *to, size_t len)
{
    char bytes[4096];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(read(in, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(write(out, bytes, len), (ssize_t)len);
    close(in);
    close(out);
}

static void test_cut_at_every_byte(void **state)
{
    uint64_t from, to, torn;
    char path[4096], whole[4096 + 8];
    leave_five(*state, &from, &to);
    first_path(*state, path, sizeof path);
    snprintf(whole, sizeof whole, "%s.whole", path);
    assert_int_equal(rename(path, whole), 0);
    for (uint64_t len = from; len < to; len++) {
        copy_file(whole, path, len);
        assert_int_equal(count_decisions(*state, &torn), 4);
        assert_int_equal(torn, 1);
    }
}

/* The next process of the slot ends the torn segment, goes on in a new one, and overwrites nothing. */
static void test_recovery(void **state)
{
    uint64_t from, to, torn;
    char path[4096];
    leave_five(*state, &from, &to);
    write_byte(first_path(*state, path, sizeof path), to - 1, 0xff);
    struct trace *t = folder_trace(*state, 4096, 0);
    assert_int_equal(trace_counts(t).torn, 1);
    folder_decide(t, 1, "after");
    trace_close(t);
    assert_int_equal(count_decisions(*state, &torn), 5);
    assert_int_equal(torn, 1);
    t = folder_trace(*state, 4096, 0);
    assert_int_equal(trace_counts(t).torn, 0); /* told once */
    trace_close(t);
}

/* Killed between open and close: nothing of the event is seen, and it is counted. */
static void test_killed_inside_an_event(void **state)
{
    pid_t child = fork();
    if (child == 0) {
        struct trace *t = folder_trace(*state, 4096, 0);
        folder_decide(t, 1, "whole");
        event_z(event_open(t, EVENT_BEGIN, 2), F_ID, "half");
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct trace *t = folder_trace(*state, 4096, 0);
    assert_int_equal(trace_counts(t).torn, 1);
    uint64_t torn;
    assert_int_equal(count_decisions(*state, &torn), 1);
    assert_int_equal(torn, 1);
    trace_close(t);
}

static void write_until_killed(const char *dir, int round, int pipe)
{
    struct trace *t = folder_trace(dir, 64 * 1024, 0);
    for (uint32_t i = 0;; i++) {
        char id[32];
        snprintf(id, sizeof id, "%d-%u", round, i);
        folder_decide(t, i + 1, id);
        if (write(pipe, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

/* Runs a writer and kills it after some acknowledgements; returns how many there were. */
static uint32_t kill_a_writer(const char *dir, int round)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        write_until_killed(dir, round, ends[1]);
    }
    close(ends[1]);
    uint32_t number = 0, count = 0;
    while (count < 20u + (uint32_t)round * 7 && read(ends[0], &number, sizeof number) == sizeof number)
        count++;
    kill(child, SIGKILL);
    while (read(ends[0], &number, sizeof number) == sizeof number)
        count++;
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(count >= 20);
    return count;
}

static void test_kill_loses_nothing_acknowledged(void **state)
{
    enum { ROUNDS = 100 };
    uint32_t acknowledged[ROUNDS], *found = xcalloc(ROUNDS, sizeof *found);
    for (int i = 0; i < ROUNDS; i++)
        acknowledged[i] = kill_a_writer(*state, i);
    struct reader *r = reader_open(*state, NULL);
    for (struct decision *d; (d = reader_next(r)); decision_free(d)) {
        int round;
        unsigned number;
        char id[32];
        snprintf(id, sizeof id, STR_FMT, STR_ARG(record_text(&d->records[0], F_ID)));
        assert_int_equal(sscanf(id, "%d-%u", &round, &number), 2);
        assert_int_equal(number, found[round]); /* each once, in order */
        found[round]++;
    }
    assert_int_equal(reader_report(r).missed, 0);
    for (int i = 0; i < ROUNDS; i++)
        assert_true(found[i] >= acknowledged[i] && found[i] <= acknowledged[i] + 1);
    free(found);
    reader_close(r);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_full_disk(void **state)
{
    signal(SIGXFSZ, SIG_IGN);
    struct trace *t = folder_trace(*state, 8192, 0);
    limit_file_size(4096); /* no further segment can be made */
    while (trace_counts(t).dropped < 50)
        folder_decide(t, 1, "as long as it is no use");
    uint64_t events = trace_counts(t).events;
    assert_true(events > 50);
    limit_file_size(RLIM_INFINITY);
    uint64_t deadline = clock_ms() + 10000;
    while (trace_counts(t).events == events && clock_ms() < deadline)
        folder_decide(t, 2, "there is room again");
    assert_true(trace_counts(t).events > events);
    uint64_t dropped = trace_counts(t).dropped;
    trace_close(t);
    struct reader *r = reader_open(*state, NULL);
    for (struct decision *d; (d = reader_next(r));)
        decision_free(d);
    assert_int_equal(reader_report(r).dropped, dropped);
    reader_close(r);
}

static void test_no_room_at_start(void **state)
{
    signal(SIGXFSZ, SIG_IGN);
    struct err err;
    limit_file_size(4096);
    struct trace *t = trace_open(&(struct trace_options){*state, 0, 1 << 20, 0}, &err);
    limit_file_size(RLIM_INFINITY);
    assert_null(t);
    assert_non_null(strstr(err.message, "free some space"));
}

static void test_larger_than_a_segment(void **state)
{
    struct trace *t = folder_trace(*state, 4096, 0);
    char *large = xcalloc(1, 60000);
    memset(large, 'x', 59999);
    folder_decide(t, 1, "before");
    struct event *e = event_open(t, EVENT_NOTE, 2);
    event_z(e, F_TEXT, "small");
    event_z(e, F_TEXT, large);
    event_z(e, F_TEXT, "small");
    event_close(e);
    assert_int_equal(trace_counts(t).dropped, 1);
    folder_decide(t, 3, "after");
    trace_close(t);
    free(large);
    uint64_t torn;
    assert_int_equal(count_decisions(*state, &torn), 2);
    assert_int_equal(torn, 0);
}

static void test_one_writer_a_slot(void **state)
{
    struct err err;
    struct trace *t = folder_trace(*state, 4096, 0);
    assert_null(trace_open(&(struct trace_options){*state, 0, 4096, 0}, &err));
    assert_non_null(strstr(err.message, "another server writes"));
    trace_close(t);
}

static void test_nothing_is_kept_of_the_preallocation(void **state)
{
    struct stat st;
    char path[4096];
    pid_t child = fork();
    if (child == 0) {
        folder_decide(folder_trace(*state, 1 << 20, 0), 1, "x");
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    trace_close(folder_trace(*state, 1 << 20, 0));
    assert_int_equal(stat(first_path(*state, path, sizeof path), &st), 0);
    assert_int_equal(st.st_size, 1 << 20);
    assert_true(st.st_blocks * 512 <= 64 * 1024);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_flipped_at_every_byte),
        IN_FOLDER(test_damage_in_the_middle),
        IN_FOLDER(test_cut_at_every_byte),
        IN_FOLDER(test_recovery),
        IN_FOLDER(test_killed_inside_an_event),
        IN_FOLDER(test_kill_loses_nothing_acknowledged),
        IN_FOLDER(test_full_disk),
        IN_FOLDER(test_no_room_at_start),
        IN_FOLDER(test_larger_than_a_segment),
        IN_FOLDER(test_one_writer_a_slot),
        IN_FOLDER(test_nothing_is_kept_of_the_preallocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
