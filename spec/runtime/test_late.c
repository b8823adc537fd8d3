/* What comes after a decision's end: found wherever it lies, joined to the decision it belongs to, and to no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "trace/lookup.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "trace_folder.h"

static struct trace *open_slot(const char *dir, unsigned slot)
{
    struct err err;
    struct trace *t = trace_open(&(struct trace_options){.dir = dir, .slot = slot, .segment_bytes = 4096}, &err);
    assert_non_null(t);
    return t;
}

static char *id_of(uint64_t number, unsigned slot, char id[20])
{
    static const char DIGITS[] = "0123456789abcdefghjkmnpqrstvwxyz";
    for (int i = 10; i >= 0; i--, number >>= 5)
        id[i] = DIGITS[number & 31];
    id[11] = DIGITS[slot >> 5 & 31];
    id[12] = DIGITS[slot & 31];
    id[13] = '\0';
    return id;
}

static void decide(struct trace *t, uint64_t number, unsigned slot)
{
    char id[20];
    struct event *e = event_open(t, EVENT_BEGIN, number);
    event_z(e, F_ID, id_of(number, slot, id));
    event_close(e);
    event_close(event_open(t, EVENT_DECISION, number));
}

static void shade(struct trace *t, uint64_t number, const char *would)
{
    struct event *e = event_open(t, EVENT_SHADOW, number);
    event_z(e, F_WOULD, would);
    event_int(e, F_DIFFERS, 1);
    event_close(e);
    e = event_open(t, EVENT_SHADOW_ATTEMPT, number);
    event_z(e, F_MODEL, would);
    event_z(e, F_PURPOSE, "shadow");
    event_num(e, F_USD, 0.5);
    event_close(e);
}

static void score(struct trace *t, const char *id, const char *metric, double value)
{
    struct event *e = event_open(t, EVENT_SCORE, 0);
    event_z(e, F_ID, id);
    event_z(e, F_METRIC, metric);
    event_num(e, F_SCORE, value);
    event_close(e);
}

static void fill(struct trace *t, uint64_t number)
{
    for (int i = 0; i < 200; i++)
        decide(t, number + (uint64_t)i, 0);
}

/* Decision 100 of slot 0, and behind it a segment or more of others before anything is said of it. */
static void write_story(const char *dir)
{
    char id[20];
    struct trace *zero = open_slot(dir, 0), *one = open_slot(dir, 1);
    decide(zero, 100, 0);
    decide(one, 100, 1);
    fill(zero, 1000);
    shade(zero, 100, "a/mini");
    score(zero, id_of(100, 0, id), "ok", 1);
    score(zero, id_of(100, 0, id), "ok", 0);
    score(one, id_of(100, 0, id), "stars", 3);
    score(zero, "nonsense", "ok", 1);
    fill(zero, 2000);
    trace_close(zero);
    trace_close(one);
}

static int value_of(const struct decision *d, const char *metric)
{
    double n = -1;
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_FEEDBACK, &i));)
        if (str_eq(record_text(r, F_METRIC), metric))
            record_number(r, F_SCORE, &n);
    return (int)n;
}

static void assert_joined(const struct decision *d)
{
    int i = 0;
    double n;
    const struct record *r = decision_next(d, GROUP_SHADOW, &i);
    assert_non_null(r);
    assert_true(str_eq(record_text(r, F_WOULD), "a/mini"));
    assert_null(decision_next(d, GROUP_SHADOW, &i));
    i = 0;
    r = decision_next(d, GROUP_ATTEMPT, &i);
    assert_true(record_is_shadowed(r));
    assert_true(record_number(r, F_N, &n) && n == 1);
    assert_int_equal(decision_attempts(d), 0);
    assert_int_equal(decision_count(d, GROUP_FEEDBACK), 2);
    assert_int_equal(value_of(d, "ok"), 1); /* the first stands */
    assert_int_equal(value_of(d, "stars"), 3);
}

static bool is_wanted(void *ctx, const struct decision *d)
{
    (void)ctx;
    return d->number == 100 && d->slot == 0;
}

static void test_join(void **state)
{
    struct err err;
    write_story(*state);
    struct reader *r = reader_open(*state, &err);
    reader_join(r);
    int count = 0;
    for (struct decision *d; (d = reader_next(r)); decision_free(d), count++) {
        if (is_wanted(NULL, d))
            assert_joined(d);
        else
            assert_int_equal(decision_count(d, GROUP_SHADOW) + decision_count(d, GROUP_FEEDBACK), 0);
    }
    assert_int_equal(count, 402);
    struct decision *newest;
    assert_int_equal(reader_newest(r, 1, is_wanted, NULL, &newest), 1);
    assert_joined(newest);
    decision_free(newest);
    char id[20];
    struct decision *found = reader_find(r, str_of(id_of(100, 0, id)), &err);
    assert_joined(found);
    decision_free(found);
    reader_close(r);
}

static void test_not_asked_for(void **state)
{
    struct err err;
    write_story(*state);
    struct reader *r = reader_open(*state, &err);
    int count = 0;
    for (struct decision *d; (d = reader_next(r)); decision_free(d), count++)
        assert_int_equal(decision_count(d, GROUP_SHADOW) + decision_count(d, GROUP_ATTEMPT), 0);
    assert_int_equal(count, 402);
    reader_close(r);
}

static void test_ids(void **state)
{
    (void)state;
    char id[20];
    unsigned slot;
    uint64_t number;
    assert_true(lookup_id(str_of(id_of(1790000000123456, 41, id)), &slot, &number));
    assert_int_equal(slot, 41);
    assert_int_equal(number, 1790000000123456);
    assert_false(lookup_id(str_of("1k0x1fcbtbc0!"), &slot, &number));
    assert_false(lookup_id(str_of("1k0x1fcbtbc0"), &slot, &number));
    assert_false(lookup_id(str_n("1k0x1fcbtbc\0\0", 13), &slot, &number));
    assert_false(lookup_id(str_n(NULL, 0), &slot, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_join, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_not_asked_for, folder_make, folder_remove),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
