/* The parts of the learnt router: the fit at its optimum, domains by hand, the frame of a question, and what the scores come to. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "classify/domain.h"
#include "classify/shares.h"
#include "classify/manner.h"

static void near(double a, double b, double within)
{
    if (!(fabs(a - b) <= within))
        fail_msg("%.12g is not %.12g", a, b);
}

static uint64_t seed = 1;

static double chance(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) * 0x1p-53;
}

enum { ROWS = 400, FEATURES = 12 };

static struct fit_row *make_rows(struct feature at[ROWS][FEATURES], double *shares)
{
    static struct fit_row rows[ROWS];
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < FEATURES; k++)
            at[i][k] = (struct feature){(uint32_t)k, (float)(2 * chance() - 1)};
        rows[i] = (struct fit_row){at[i], FEATURES, 0};
        shares[i] = i % 3 ? chance() : i % 2;
    }
    return rows;
}

/* Where the loss is least its gradient is 0: each weight is cost × the sum of what is left of the shares, times the feature. */
static void test_optimum(void **state)
{
    (void)state;
    static struct feature at[ROWS][FEATURES];
    double shares[ROWS];
    bool skip[ROWS] = {false};
    struct fit_row *rows = make_rows(at, shares);
    for (double cost = 0.01; cost < 0.5; cost *= 10) {
        for (int i = 0; i < ROWS; i++)
            skip[i] = i % 5 == 0;
        double *w = shares_fit(rows, shares, skip, ROWS, FEATURES, cost), expected[FEATURES] = {0};
        for (int i = 0; i < ROWS; i++) {
            double score = 0;
            for (int k = 0; k < FEATURES; k++)
                score += w[k] * at[i][k].value;
            for (int k = 0; k < FEATURES && !skip[i]; k++)
                expected[k] += cost * (shares[i] - 1 / (1 + exp(-score))) * at[i][k].value;
        }
        for (int k = 0; k < FEATURES; k++)
            near(w[k], expected[k], 1e-3);
        free(w);
    }
}

/* Rows that are skipped change nothing, whatever they say. */
static void test_skipped(void **state)
{
    (void)state;
    static struct feature at[ROWS][FEATURES];
    double shares[ROWS];
    bool skip[ROWS];
    struct fit_row *rows = make_rows(at, shares);
    for (int i = 0; i < ROWS; i++)
        skip[i] = i % 2;
    double *one = shares_fit(rows, shares, skip, ROWS, FEATURES, 0.1);
    for (int i = 1; i < ROWS; i += 2)
        shares[i] = 1 - shares[i];
    double *two = shares_fit(rows, shares, skip, ROWS, FEATURES, 0.1);
    assert_memory_equal(one, two, FEATURES * sizeof *one);
    free(one);
    free(two);
}

static void test_domains(void **state)
{
    (void)state;
    struct str law = str_of("\"law\""), art = str_of("\"art\""), none = {NULL, 0};
    struct pair at[] = {{.domain = law, .weak = true}, {.domain = art}, {.domain = law}, {.domain = none, .weak = true}, {.domain = law, .weak = true}};
    struct pairs p = {.at = at, .count = 5};
    struct domains d;
    bool skip[5] = {false, false, false, false, true};
    double shares[5] = {-1, -1, -1, -1, -1};
    domain_find(&d, &p);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.of[0], d.of[2]);
    assert_int_equal(d.of[3], -1);
    near(d.known, 0.8, 1e-12);
    domain_shares(&d, &p, false, skip, shares);
    /* Of the four that count two are right; "law" has two rows, one right; "art" one, wrong. */
    near(shares[0], 0.5 + 0.5 * (1 + 10 * 0.5) / 12, 1e-12);
    near(shares[1], 0.5 * (0 + 10 * 0.5) / 11, 1e-12);
    near(shares[2], 0.5 * (1 + 10 * 0.5) / 12, 1e-12);
    near(shares[3], 1, 1e-12);
    near(shares[4], -1, 0);
    domain_clear(&d);
}

static bool is_framed(const struct manner *m, const char *text, int *count)
{
    struct feature out[MANNER_MOST];
    bool framed;
    *count = manner_vector(m, str_of(text), 1000, out, &framed);
    for (int i = 0; i < *count; i++)
        assert_true(out[i].index >= 1000 && out[i].index < 1000 + (uint32_t)manner_width(m) && fabsf(out[i].value) <= 4);
    return framed;
}

static void test_frame(void **state)
{
    (void)state;
    enum { TEXTS = 200 };
    static char lines[TEXTS][80];
    struct str texts[TEXTS];
    struct vocab_parts parts;
    struct manner_parts manner;
    int count;
    for (int i = 0; i < TEXTS; i++) {
        snprintf(lines[i], sizeof lines[i], "Which word%c%c is %s? A. one B. two Answer:", 'a' + i % 26, 'a' + i / 26, i % 4 ? "right" : "wrong");
        texts[i] = str_of(lines[i]);
    }
    vocab_build(&parts, texts, TEXTS, 1 << 20);
    struct vocab all = vocab_of(&parts);
    manner_build(&manner, &all, texts, TEXTS);
    struct manner m = manner_of(&manner);
    assert_true(m.frame > 5 && m.grams.count > m.frame);
    assert_true(is_framed(&m, "Which river is long? A. one B. two Answer:", &count));
    int known = count;
    assert_true(is_framed(&m, "Which river is long? A. one B. two Answer: which which", &count));
    assert_true(count <= known + 2); /* a gram counts once: new are only the pairs at the end */
    assert_false(is_framed(&m, "How many eggs does Janet sell", &count));
    assert_int_equal(count, MANNER_SIGNS);
    manner_clear(&manner);
    vocab_clear(&parts);
}

/* In domain all count; out of its frame a text goes by its shape. */
static void test_ease(void **state)
{
    (void)state;
    struct pairs_gauge g = {.shape = 1};
    const float scores[PAIRS_SCORES] = {0, 100, 100, 0, 0, 0};
    near(pairs_ease(&g, scores, true), (-0.5 + 2 * 0.5 + 0) / 4, 1e-9);
    near(pairs_ease(&g, scores, false), 0, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimum), cmocka_unit_test(test_skipped), cmocka_unit_test(test_domains), cmocka_unit_test(test_frame), cmocka_unit_test(test_ease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
