/* What grading and comparing come to, against numbers that were worked out elsewhere. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "trial/eval_grade.h"
#include "trial/eval_judge.h"
#include "trial/eval_summary.h"

static void near(double a, double b)
{
    if (!(fabs(a - b) < 1e-4))
        fail_msg("%.9g is not %.9g", a, b);
}

/* Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29. */
static void test_wilson(void **state)
{
    (void)state;
    static const struct {
        int passed, of;
        double low, high;
    } KNOWN[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}};
    for (int i = 0; i < 4; i++) {
        double low, high;
        eval_wilson(KNOWN[i].passed, KNOWN[i].of, &low, &high);
        near(low, KNOWN[i].low);
        near(high, KNOWN[i].high);
    }
}

static void test_last_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double number;
    } KNOWN[] = {{"17 times 23 is 391.", 391},   {"In all $1,234,567.50!", 1234567.5}, {"From 3 to -4", -4},
                 {"pages 3-5", 5},               {"1.2.3", 3},                         {"about 7, I think", 7},
                 {"**42**", 42}};
    double number;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        assert_true(eval_grade_number(str_of(KNOWN[i].text), &number));
        if (fabs(number - KNOWN[i].number) > 1e-9)
            fail_msg("'%s' ends with %.9g, not %.9g", KNOWN[i].text, KNOWN[i].number, number);
    }
    assert_false(eval_grade_number(str_of("none - at all"), &number));
    assert_false(eval_grade_number(str_of(""), &number));
}

/* Outcomes of which the first `passed` of `of` passed. */
static void fill(struct eval_results *r, const struct eval_cases *set, const char *verdicts)
{
    eval_results_open(r, set);
    for (int i = 0; i < set->count; i++) {
        r->at[i].verdict = verdicts[i] == 'p' ? EVAL_PASSED : verdicts[i] == 'f' ? EVAL_FAILED : EVAL_UNJUDGED;
        r->at[i].ms = i + 1;
        r->at[i].usd = 0.5;
        r->at[i].model = i % 2 ? "a/odd" : "a/even";
    }
}

static struct eval_change compare(const char *was, const char *now, bool is_steady)
{
    struct eval_summary *s = xcalloc(1, sizeof *s);
    struct eval_cases set = {.count = (int)strlen(was)};
    struct eval_results a, b;
    set.at = xcalloc((size_t)set.count, sizeof *set.at);
    fill(&a, &set, was);
    fill(&b, &set, now);
    eval_summary_make(s, &b);
    eval_summary_compare(s, &b, &a, is_steady);
    struct eval_change change = s->change;
    eval_results_close(&a);
    eval_results_close(&b);
    free(set.at);
    free(s);
    return change;
}

/* Four broken of four: 1/16; five: 1/32; five and one mended: 7/64. */
static void test_paired(void **state)
{
    (void)state;
    struct eval_change four = compare("pppppp", "ffffpp", false), five = compare("pppppp", "fffffp", false);
    assert_int_equal(four.broken, 4);
    near(four.p, 1.0 / 16);
    assert_false(four.is_worse);
    near(five.p, 1.0 / 32);
    assert_true(five.is_worse);
    struct eval_change mended = compare("pppppf", "fffffp", false);
    near(mended.p, 7.0 / 64);
    assert_false(mended.is_worse);
    /* Where answers do not vary by themselves one is enough; what nobody graded takes no part. */
    assert_true(compare("ppp", "ppf", true).is_worse);
    struct eval_change same = compare("pfp", "pfu", true);
    assert_int_equal(same.compared, 2);
    near(same.p, 1);
    assert_false(same.is_worse);
}

/* The change of `count` passing cases whose cost and time grow by the factors given, a little more and less by turns. */
static struct eval_change grown(int count, double usd, double ms, double wobble, bool is_steady)
{
    struct eval_summary *s = xcalloc(1, sizeof *s);
    struct eval_cases set = {.count = count};
    struct eval_results was, now;
    set.at = xcalloc((size_t)count, sizeof *set.at);
    fill(&was, &set, "pppppppppp");
    fill(&now, &set, "pppppppppp");
    for (int i = 0; i < count; i++) {
        double factor = i % 2 ? 1 + wobble : 1 - wobble;
        was.at[i].ms = 200;
        now.at[i].usd = 0.5 * usd * factor;
        now.at[i].ms = 200 * ms * factor;
    }
    eval_summary_compare(s, &now, &was, is_steady);
    struct eval_change change = s->change;
    eval_results_close(&was);
    eval_results_close(&now);
    free(set.at);
    free(s);
    return change;
}

static void test_dearer_and_slower(void **state)
{
    (void)state;
    struct eval_change both = grown(10, 1.5, 2, 0.01, false);
    assert_true(both.is_dearer && both.is_slower && both.is_worse && !both.is_wrong_more);
    struct eval_change little = grown(10, 1.05, 1.2, 0.01, false);
    assert_false(little.is_dearer || little.is_slower || little.is_worse);
    assert_false(grown(10, 1.2, 1, 0.9, false).is_worse); /* within chance */
    assert_false(grown(4, 1.5, 2, 0.01, false).is_worse); /* too few to know */
    struct eval_change steady = grown(1, 1.5, 2, 0, true);
    assert_true(steady.is_dearer);
    assert_false(steady.is_slower); /* the simulator's time is not judged */
    assert_false(grown(10, 0.5, 0.5, 0.01, false).is_worse);
}

/* Conover, table A3 and section 3.2: of ten values the median lies between the second and the ninth, of twenty between the 6th and the 15th. */
static void test_intervals(void **state)
{
    (void)state;
    struct eval_summary *s = xcalloc(1, sizeof *s);
    static const int COUNTS[] = {10, 20, 100};
    for (int k = 0; k < 3; k++) {
        struct eval_cases set = {.count = COUNTS[k]};
        struct eval_results r;
        set.at = xcalloc((size_t)set.count, sizeof *set.at);
        eval_results_open(&r, &set);
        for (int i = 0; i < set.count; i++)
            r.at[i] = (struct eval_outcome){.verdict = EVAL_PASSED, .ms = i + 1, .usd = i + 1, .model = "a/one"};
        eval_summary_make(s, &r);
        near(s->whole.p50.low, COUNTS[k] == 10 ? 2 : COUNTS[k] == 20 ? 6 : 40);
        near(s->whole.p50.high, COUNTS[k] == 10 ? 9 : COUNTS[k] == 20 ? 15 : 61);
        if (COUNTS[k] < 100)
            assert_true(isnan(s->whole.p95.high)); /* no value lies above it for sure */
        else /* the mean of 1 to 100 has a standard error of 2.9 */
            assert_true(fabs(s->whole.usd_each.low - 44.8) < 0.6 && fabs(s->whole.usd_each.high - 56.2) < 0.6);
        eval_results_close(&r);
        free(set.at);
    }
    free(s);
}

static void test_groups(void **state)
{
    (void)state;
    struct eval_summary *s = xcalloc(1, sizeof *s);
    struct eval_case cases[5] = {0};
    struct eval_cases set = {.at = cases, .count = 5};
    struct eval_results r;
    fill(&r, &set, "pfpuf");
    eval_summary_make(s, &r);
    assert_int_equal(s->whole.passed, 2);
    assert_int_equal(s->whole.failed, 2);
    assert_int_equal(s->whole.unjudged, 1);
    near(s->whole.quality, 0.5);
    near(s->whole.usd, 2.5);
    near(s->whole.p50_ms, 3);
    near(s->whole.p95_ms, 5);
    assert_int_equal(s->model_count, 2);
    assert_string_equal(s->models[1].name, "a/odd");
    assert_int_equal(s->models[1].cases, 2);
    near(s->models[1].quality, 0);
    eval_results_close(&r);
    free(s);
}

/* What a model says in the place of a verdict is none. */
static void test_verdicts(void **state)
{
    (void)state;
    struct arena arena = ARENA(1 << 20);
    struct err err;
    const char *reason;
    bool agrees;
    struct str yes = str_of("{\"choices\":[{\"message\":{\"content\":\"{\\\"reason\\\":\\\"it does\\\",\\\"verdict\\\":\\\"pass\\\"}\"}}]}");
    assert_int_equal(eval_judge_read(yes, &arena, &agrees, &reason, &err), 0);
    assert_true(agrees);
    assert_string_equal(reason, "it does");
    static const char *const NONE[] = {"", "{}", "{\"choices\":[{\"message\":{\"content\":\"pass\"}}]}",
                                       "{\"choices\":[{\"message\":{\"content\":\"{\\\"verdict\\\":\\\"maybe\\\"}\"}}]}"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(eval_judge_read(str_of(NONE[i]), &arena, &agrees, &reason, &err), -1);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson), cmocka_unit_test(test_last_number), cmocka_unit_test(test_paired),
        cmocka_unit_test(test_dearer_and_slower),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_groups), cmocka_unit_test(test_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
