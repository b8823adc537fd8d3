/* The frontier against curves that can be drawn by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "classify/frontier.h"

static void near(double a, double b)
{
    if (!(fabs(a - b) < 1e-9))
        fail_msg("%.12g is not %.12g", a, b);
}

/* Four questions; the strong model knows all, the weak one two. */
static void test_by_hand(void **state)
{
    (void)state;
    struct frontier f;
    /* Best order: both unknown ones leave first: quality 0.5, 0.75, 1, 1, 1. */
    struct outcome best[] = {{0.8, 1, 1}, {0.1, 0, 1}, {0.9, 1, 1}, {0.2, 0, 1}};
    frontier_measure(&f, best, 4, 0, 1);
    near(f.weak, 0.5);
    near(f.strong, 1);
    near(f.apgr.value, 0.75);
    near(f.cpt50.value, 0.25);
    near(f.cpt80.value, 0.4);
    near(f.matching.value, 0.495);
    near(f.quality[0], 0.5);
    near(f.quality[5], 0.75);
    near(f.quality[20], 1);
    struct outcome worst[] = {{0.1, 1, 1}, {0.8, 0, 1}, {0.2, 1, 1}, {0.9, 0, 1}};
    frontier_measure(&f, worst, 4, 0, 1);
    near(f.apgr.value, 0.25);
    near(f.cpt50.value, 0.75);
    /* All alike: a straight line, the coin's. */
    struct outcome tied[] = {{0.5, 1, 1}, {0.5, 0, 1}, {0.5, 1, 1}, {0.5, 0, 1}};
    frontier_measure(&f, tied, 4, 0, 1);
    near(f.apgr.value, 0.5);
    near(f.cpt80.value, 0.8);
}

/* What a question gains counts as long as it has left: for the mean of all shares, by one minus its rank, those of equal p in the middle. */
static double by_ranks(const struct outcome *o, int count)
{
    double sum = 0, gap = 0;
    for (int i = 0; i < count; i++) {
        double rank = 0;
        for (int k = 0; k < count; k++)
            rank += o[k].p < o[i].p ? 1 : o[k].p == o[i].p ? 0.5 : 0;
        sum += (o[i].strong - o[i].weak) * (1 - rank / count);
        gap += o[i].strong - o[i].weak;
    }
    return sum / gap;
}

static void test_by_ranks(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    uint32_t seed = 1;
    for (int ties = 2; ties <= 1 << 16; ties *= 2) {
        struct outcome o[COUNT];
        struct frontier f;
        for (int i = 0; i < COUNT; i++) {
            seed = seed * 1664525 + 1013904223;
            o[i] = (struct outcome){(double)(seed >> 8) / (1 << 24), seed >> 30 == 0, seed >> 29 != 4};
            o[i].p = floor(o[i].p * ties) / ties;
        }
        double expected = by_ranks(o, COUNT);
        frontier_measure(&f, o, COUNT, 0, 1);
        near(f.apgr.value, expected);
    }
}

/* Two that complement each other beat the strong one alone: APGR above 1. */
static void test_better_than_strong(void **state)
{
    (void)state;
    struct frontier f;
    struct outcome o[] = {{0.1, 0, 1}, {0.2, 0, 1}, {0.8, 1, 1}, {0.9, 1, 0}};
    frontier_measure(&f, o, 4, 0, 1);
    near(f.strong, 0.75);
    near(f.apgr.value, ((0.625 + 0.875 + 1 + 0.875) / 4 - 0.5) / 0.25);
    struct outcome same[] = {{0.1, 1, 1}, {0.2, 0, 0}};
    frontier_measure(&f, same, 2, 100, 1);
    assert_true(isnan(f.apgr.value) && isnan(f.cpt50.value));
    near(f.matching.value, 0);
}

/* The interval of a coin's APGR holds one half, narrows with the root of the questions, and is the same for the same seed. */
static void test_intervals(void **state)
{
    (void)state;
    enum { MOST = 6400 };
    static struct outcome o[MOST];
    uint64_t seed = 1;
    double widths[2];
    for (int round = 0; round < 2; round++) {
        int count = round ? MOST : MOST / 16;
        struct frontier f, again;
        for (int i = 0; i < count; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            o[i] = (struct outcome){(double)(seed >> 40), i % 2, i % 10 > 0};
        }
        frontier_measure(&f, o, count, 400, 9);
        frontier_measure(&again, o, count, 400, 9);
        assert_true(f.apgr.low < 0.5 && f.apgr.high > 0.5);
        near(f.apgr.low, again.apgr.low);
        widths[round] = f.apgr.high - f.apgr.low;
    }
    assert_true(widths[0] / widths[1] > 3 && widths[0] / widths[1] < 5.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_by_ranks),
        cmocka_unit_test(test_better_than_strong),
        cmocka_unit_test(test_intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
