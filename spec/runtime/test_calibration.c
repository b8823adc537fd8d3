/* Calibration: the fits against worked examples, the measures, the file, thresholds on generated and on recorded answers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "classify/threshold.h"
#include "shared.h"

static uint64_t seed;

static double chance(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) * 0x1p-53;
}

/* Scores in [0, 1] whose answers are right with the probability that `truth` says. */
static struct scored draw(int count, double (*truth)(double))
{
    struct scored s = {0};
    for (int i = 0; i < count; i++) {
        double score = chance();
        scored_add(&s, (struct answer){score, chance() < truth(score), chance() < 0.95});
    }
    return s;
}

static double squared(double x)
{
    return x * x;
}

static double falling(double x)
{
    return 1 - 0.8 * x;
}

static double logistic(double x)
{
    return 1 / (1 + exp(-(6 * x - 2)));
}

static double far_from(const struct calibration *c, double (*truth)(double))
{
    double worst = 0;
    for (double x = 0.05; x < 0.96; x += 0.05)
        worst = fmax(worst, fabs(calibration_p(c, x) - truth(x)));
    return worst;
}

static void test_isotonic_finds_the_truth(void **state)
{
    (void)state;
    seed = 1;
    struct scored s = draw(40000, squared);
    double *p = malloc((size_t)s.count * sizeof *p);
    struct calibration c = {0};
    calibration_fit_as(&c, &s, METHOD_ISOTONIC, p);
    assert_true(far_from(&c, squared) < 0.05);
    assert_true(c.ece < 0.015);
    for (double x = -1, last = -1; x < 2; x += 0.001) {
        assert_true(calibration_p(&c, x) >= last);
        last = calibration_p(&c, x);
    }
    /* The raw scores are far off: the mean of |x - x²| over [0, 1] is 1/6. */
    for (int i = 0; i < s.count; i++)
        p[i] = s.items[i].score;
    assert_true(fabs(calibration_error(&s, p) - 1.0 / 6) < 0.01);
    free(p);
    scored_clear(&s);
}

static void test_falling_scores(void **state)
{
    (void)state;
    seed = 2;
    struct scored s = draw(20000, falling);
    double *p = malloc((size_t)s.count * sizeof *p);
    struct calibration c = {0};
    calibration_fit_as(&c, &s, METHOD_ISOTONIC, p);
    assert_true(far_from(&c, falling) < 0.06);
    calibration_fit_as(&c, &s, METHOD_PLATT, p);
    assert_true(c.slope < 0 && far_from(&c, falling) < 0.06);
    free(p);
    scored_clear(&s);
}

/* Few rows of a logistic truth: Platt has the smaller loss and is taken. */
static void test_platt_is_chosen(void **state)
{
    (void)state;
    seed = 3;
    struct scored s = draw(300, logistic);
    double p[300];
    struct calibration c = {0};
    calibration_fit(&c, &s, p);
    assert_int_equal(c.method, METHOD_PLATT);
    scored_clear(&s);
    s = draw(50000, logistic);
    double *many = malloc((size_t)s.count * sizeof *many);
    calibration_fit_as(&c, &s, METHOD_PLATT, many);
    assert_true(fabs(c.slope - 6) < 0.2 && fabs(c.offset + 2) < 0.1);
    free(many);
    scored_clear(&s);
}

static void test_measures(void **state)
{
    (void)state;
    struct scored s = {0};
    scored_add(&s, (struct answer){0.2, false, true});
    scored_add(&s, (struct answer){0.9, true, true});
    scored_add(&s, (struct answer){0.2, true, true});
    scored_add(&s, (struct answer){0.9, true, true});
    /* Pairs of right and wrong: (0.9, 0.2) twice, and (0.2, 0.2), which counts half. */
    assert_true(fabs(scored_auroc(&s) - 2.5 / 3) < 1e-12);
    double p[] = {0.2, 0.9, 0.2, 0.9};
    /* Bins: |0.2 + 0.2 - 1| and |0.9 + 0.9 - 2|. */
    assert_true(fabs(calibration_error(&s, p) - (0.6 + 0.2) / 4) < 1e-12);
    assert_true(fabs(calibration_log_loss(&s, p) + (log(0.8) + 2 * log(0.9) + log(0.2)) / 4) < 1e-12);
    scored_clear(&s);
}

static void test_file(void **state)
{
    (void)state;
    seed = 4;
    struct scored s = draw(2000, squared);
    double p[2000];
    struct calibration c = {.score = "margin"}, again;
    struct buf out = BUF(1 << 20);
    struct err err;
    for (int method = METHOD_ISOTONIC; method <= METHOD_PLATT; method++) {
        calibration_fit_as(&c, &s, (enum calibration_method)method, p);
        c.has_threshold = true;
        c.threshold = 0.71;
        c.tie = 0.25;
        buf_reset(&out);
        assert_int_equal(calibration_write(&c, &out), 0);
        assert_int_equal(calibration_parse(&again, buf_str(&out), &err), 0);
        for (double x = -0.5; x < 1.5; x += 0.01)
            assert_true(calibration_p(&c, x) == calibration_p(&again, x));
        assert_string_equal(again.score, "margin");
        assert_true(again.threshold == 0.71 && again.tie == 0.25 && again.rows == 2000);
        assert_memory_equal(again.quantiles, c.quantiles, sizeof c.quantiles);
    }
    buf_clear(&out);
    scored_clear(&s);
}

static void refuses(const char *json, const char *words)
{
    struct calibration c;
    struct err err = {0};
    assert_int_equal(calibration_parse(&c, str_of(json), &err), -1);
    if (strstr(err.message, words) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void test_bad_files(void **state)
{
    (void)state;
#define HEAD "{\"wye\":\"calibration\",\"version\":1,\"score\":\"confidence\","
    refuses("{", "no valid JSON");
    refuses("{}", "wye must be \"calibration\"");
    refuses("{\"wye\":\"calibration\",\"version\":2}", "version is 2; a number from 1 to 1");
    refuses("{\"wye\":\"calibration\",\"version\":1}", "score must name");
    refuses(HEAD "\"method\":\"linear\"}", "method must be");
    refuses(HEAD "\"method\":\"isotonic\"}", "points must be a list");
    refuses(HEAD "\"method\":\"isotonic\",\"points\":[]}", "points is empty");
    refuses(HEAD "\"method\":\"isotonic\",\"points\":[[1,2]]}", "points[0] must be");
    refuses(HEAD "\"method\":\"isotonic\",\"points\":[[1,0.5],[1,0.6]]}", "points[1]: scores must rise");
    refuses(HEAD "\"method\":\"isotonic\",\"points\":[[1,\"x\"]]}", "points[0] holds what is no number");
    refuses(HEAD "\"method\":\"isotonic\",\"points\":[[1,0.5]]}", "quantiles must be a list of 21 numbers");
    refuses(HEAD "\"method\":\"platt\",\"slope\":1}", "offset is missing");
}

/* Half of the answers share one score: the tie is split, so that the share is what was asked for. */
static void test_share_in_ties(void **state)
{
    (void)state;
    struct scored s = {0};
    struct operating o;
    struct err err;
    for (int i = 0; i < 1000; i++)
        scored_add(&s, (struct answer){i % 2 ? 0.5 : 0.9, i % 2 ? i % 4 == 1 : i % 8 > 0, true});
    double p[1000];
    struct calibration c = {0};
    calibration_fit_as(&c, &s, METHOD_ISOTONIC, p);
    for (double share = 0; share <= 1; share += 0.125) {
        assert_int_equal(threshold_find(&c, &s, TARGET_SHARE, share, NULL, &o, &err), 0);
        assert_true(fabs(o.share - share) < 1e-9);
    }
    scored_clear(&s);
}

static void test_targets(void **state)
{
    (void)state;
    seed = 5;
    struct scored s = draw(20000, squared);
    double *p = malloc((size_t)s.count * sizeof *p);
    struct calibration c = {0};
    struct operating o;
    struct err err;
    struct price_pair prices = {1, 10};
    calibration_fit(&c, &s, p);
    assert_int_equal(threshold_find(&c, &s, TARGET_COST, 4, &prices, &o, &err), 0);
    assert_true(fabs(o.share - 0.3) < 0.001 && fabs(o.cost - 4) < 0.01);
    assert_int_equal(threshold_find(&c, &s, TARGET_COST, 0.5, &prices, &o, &err), -1);
    assert_non_null(strstr(err.message, "does not pay the weak model"));
    /* Without the strong model's truth the kept ones count: x² of x in [a, 1] has the mean (1 - a³) / 3 / (1 - a), 0.8 at a = 0.7817. */
    assert_int_equal(threshold_find(&c, &s, TARGET_QUALITY, 0.8, NULL, &o, &err), 0);
    assert_true(o.kept >= 0.8 && fabs(o.share - 0.7817) < 0.03);
    s.has_strong = true;
    assert_int_equal(threshold_find(&c, &s, TARGET_QUALITY, 0.9, NULL, &o, &err), 0);
    assert_true(o.quality > 0.9 && o.quality < 0.903);
    assert_int_equal(threshold_find(&c, &s, TARGET_QUALITY, 0.999, NULL, &o, &err), -1);
    assert_non_null(strstr(err.message, "no threshold reaches"));
    free(p);
    scored_clear(&s);
}

/* Fitted on one half, measured on the other: means over HALVINGS random halvings, for single ones are noisy. */
static void halve(const char *name, const struct scored *all)
{
    enum { HALVINGS = 5, SHARES = 9 };
    double error = 0, off = 0, *p = malloc((size_t)all->count * sizeof *p);
    for (int i = 0; i < HALVINGS; i++) {
        struct scored half[2] = {{0}, {0}};
        struct calibration c = {0};
        struct operating o;
        struct err err;
        for (int k = 0; k < all->count; k++)
            scored_add(&half[chance() < 0.5], all->items[k]);
        calibration_fit(&c, &half[0], p);
        for (int k = 0; k < half[1].count; k++)
            p[k] = calibration_p(&c, half[1].items[k].score);
        error += calibration_error(&half[1], p) / HALVINGS;
        for (double share = 0.1; share < 0.95; share += 0.1) {
            assert_int_equal(threshold_find(&c, &half[0], TARGET_SHARE, share, NULL, &o, &err), 0);
            off += fabs(threshold_measure(&c, &half[1], o.threshold, o.tie, NULL).share - share) / HALVINGS / SHARES;
        }
        scored_clear(&half[0]);
        scored_clear(&half[1]);
    }
    print_message("%s: calibration error %.4f, budget error %.4f\n", name, error, off);
    assert_true(error <= 0.03 && off <= 0.025);
    free(p);
}

static void test_recorded(void **state)
{
    (void)state;
    static const char *const SETS[][2] = {{"imdb", "m0_conf"},    {"imdb", "m3_conf"},    {"imdb", "m4_conf"},    {"imdb", "m100_conf"},
                                          {"ferplus", "m0_conf"}, {"ferplus", "m1_conf"}, {"ferplus", "m2_conf"}, {"ferplus", "m100_conf"}};
    if (!shared_has("data"))
        skip();
    seed = 6;
    for (size_t i = 0; i < sizeof SETS / sizeof *SETS; i++) {
        char name[100];
        struct scored all = {0};
        struct err err;
        snprintf(name, sizeof name, "data/confidence.%s.jsonl", SETS[i][0]);
        assert_int_equal(scored_read(&all, shared_path(name), &(struct columns){.score = SETS[i][1]}, &err), 0);
        halve(SETS[i][1], &all);
        scored_clear(&all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_isotonic_finds_the_truth),
        cmocka_unit_test(test_falling_scores),
        cmocka_unit_test(test_platt_is_chosen),
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_share_in_ties),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
