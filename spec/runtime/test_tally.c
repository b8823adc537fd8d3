/* Counting decisions by a field: names, rows, quantiles, buckets. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trace/reader.h"
#include "trace/record.h"
#include "trace/spread.h"
#include "trace/tally.h"
#include "trace_folder.h"

static void put(struct trace *t, uint64_t number, const char *served, int status, int us)
{
    struct event *e = event_open(t, EVENT_BEGIN, number);
    event_z(e, F_ID, "x");
    event_close(e);
    e = event_open(t, EVENT_ATTEMPT, number);
    event_int(e, F_N, 1);
    event_z(e, F_MODEL, "p/first");
    event_z(e, F_ERROR, "rate_limit");
    event_int(e, F_US, 1000);
    event_close(e);
    e = event_open(t, EVENT_ATTEMPT, number);
    event_int(e, F_N, 2);
    event_z(e, F_MODEL, "p/second");
    event_z(e, F_ERROR, status == 499 ? "cancelled" : NULL);
    event_close(e);
    e = event_open(t, EVENT_DECISION, number);
    event_z(e, F_SERVED, served);
    event_int(e, F_STATUS, status);
    event_int(e, F_US, us);
    event_num(e, F_USD, 0.25);
    event_close(e);
}

static struct tally *tally_of(const char *dir, const char *by, const char *query)
{
    struct err err;
    const struct show *show = column_find(by, &err);
    assert_non_null(show);
    struct query *q = query ? query_compile(str_of(query), &err) : NULL;
    struct tally *t = tally_new(show);
    struct reader *r = reader_open(dir, &err);
    for (struct decision *d; (d = reader_next(r)); decision_free(d))
        tally_add(t, d, q);
    reader_close(r);
    query_free(q);
    return t;
}

static void write_four(const char *dir)
{
    struct trace *t = folder_trace(dir, 0, 0);
    put(t, 1, "p/a", 200, 1000);
    put(t, 2, "p/a", 502, 3000);
    put(t, 3, NULL, 499, 9000);
    put(t, 4, "p/a", 200, 2000);
    trace_close(t);
}

static void decisions_are_counted_by_value(void **state)
{
    write_four(*state);
    const struct tally_row *rows;
    struct tally *t = tally_of(*state, "served", NULL);
    assert_int_equal(tally_rows(t, &rows), 2);
    assert_true(str_eq(rows[0].value, "p/a"));
    assert_int_equal(rows[0].count, 3);
    assert_int_equal(rows[0].errors, 1);
    assert_float_equal(rows[0].p50_ms, 2, 1e-9);
    assert_float_equal(rows[0].p95_ms, 3, 1e-9);
    assert_float_equal(rows[0].usd, 0.75, 1e-9);
    assert_null(rows[1].value.p);
    assert_int_equal(rows[1].errors, 0); /* the client left */
    uint64_t first, last;
    assert_int_equal(tally_total(t, &first, &last), 4);
    tally_forget(t, last + 1);
    assert_int_equal(tally_rows(t, &rows), 0);
    tally_free(t);
}

static void attempts_are_counted_alone(void **state)
{
    write_four(*state);
    const struct tally_row *rows;
    struct tally *t = tally_of(*state, "model", "attempt.n == 2 and status >= 0");
    assert_int_equal(tally_rows(t, &rows), 1);
    assert_true(str_eq(rows[0].value, "p/second"));
    assert_int_equal(rows[0].count, 4);
    assert_int_equal(rows[0].errors, 0); /* cancelled is none */
    assert_true(isnan(rows[0].p50_ms));
    tally_free(t);
    t = tally_of(*state, "error", NULL);
    assert_int_equal(tally_rows(t, &rows), 3);
    assert_true(str_eq(rows[0].value, "rate_limit"));
    assert_int_equal(rows[0].errors, 4);
    tally_free(t);
}

static void names_are_found_or_guessed(void **state)
{
    struct err err;
    (void)state;
    assert_string_equal(group_name(column_find("error", &err)->group), "attempt");
    assert_string_equal(group_name(column_find("experiment", &err)->group), "arm");
    assert_string_equal(group_name(column_find("output", &err)->group), "attempt.usage");
    assert_null(column_find("servd", &err));
    assert_non_null(strstr(err.message, "did you mean served?"));
}

static void quantiles_go_by_nearest_rank(void **state)
{
    struct spread s = {0};
    (void)state;
    assert_float_equal(spread_quantile(&s, 0.5), 0, 0);
    for (int i = 100; i > 0; i--)
        spread_add(&s, i / 10.0);
    spread_sort(&s);
    assert_float_equal(spread_quantile(&s, 0.5), 5, 1e-12);
    assert_float_equal(spread_quantile(&s, 0.95), 9.5, 1e-12);
    assert_float_equal(spread_quantile(&s, 0), 0.1, 1e-12);
    assert_float_equal(spread_quantile(&s, 1), 10, 1e-12);
    spread_clear(&s);
}

static void buckets_hold_every_value_once(void **state)
{
    static const double VALUES[] = {-1, 0, 0.00035, 0.1, 0.2, 0.9999, 1, 1.5, 2, 5, 999999, 1e6, 2.5e15};
    enum { COUNT = sizeof VALUES / sizeof *VALUES };
    struct spread s = {0};
    struct bucket b[SPREAD_BUCKETS];
    size_t held = 0;
    (void)state;
    for (int i = 0; i < COUNT; i++)
        spread_add(&s, VALUES[i]);
    spread_sort(&s);
    int count = spread_buckets(&s, b);
    assert_int_equal(b[0].count, 2);
    for (int i = 1; i < count; i++) {
        size_t inside = 0;
        for (int k = 0; k < COUNT; k++)
            inside += VALUES[k] >= b[i].from && VALUES[k] < b[i].to;
        assert_int_equal(b[i].count, inside);
        held += b[i].count;
    }
    assert_int_equal(held + 2, COUNT);
    assert_float_equal(b[1].from, 0.0002, 1e-12);
    spread_clear(&s);
}

static void few_whole_numbers_stand_alone(void **state)
{
    struct spread s = {0};
    struct bucket b[SPREAD_BUCKETS];
    (void)state;
    spread_add(&s, 200);
    spread_add(&s, 429);
    spread_add(&s, 200);
    spread_sort(&s);
    assert_int_equal(spread_buckets(&s, b), 2);
    assert_float_equal(b[1].from, 429, 0);
    assert_int_equal(b[0].count, 2);
    spread_clear(&s);
}

/* Absurd numbers out of a damaged file end in the last bucket, not beyond the array. */
static void buckets_end(void **state)
{
    struct spread s = {0};
    struct bucket b[SPREAD_BUCKETS];
    (void)state;
    spread_add(&s, 1e-300);
    spread_add(&s, 1e300);
    spread_sort(&s);
    assert_int_equal(spread_buckets(&s, b), SPREAD_BUCKETS);
    assert_int_equal(b[SPREAD_BUCKETS - 1].count, 1);
    spread_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decisions_are_counted_by_value, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(attempts_are_counted_alone, folder_make, folder_remove),
        cmocka_unit_test(names_are_found_or_guessed),
        cmocka_unit_test(quantiles_go_by_nearest_rank),
        cmocka_unit_test(buckets_hold_every_value_once),
        cmocka_unit_test(few_whole_numbers_stand_alone),
        cmocka_unit_test(buckets_end),
    };
    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
