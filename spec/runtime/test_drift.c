/* Drift: the measures by hand, the watch by simulation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "classify/drift.h"

enum { RUN = 1000000 };

static uint64_t seed = 1;

static double chance(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) * 0x1p-53;
}

/* A score in [0, 1) that leans to 1 the more the higher `power`, in one of twenty bins. */
static int draw(double power)
{
    return (int)(20 * pow(chance(), 1 / power));
}

static struct bins collect(double power, int count)
{
    struct bins b = {.count = 20};
    for (int i = 0; i < count; i++)
        b.at[draw(power)]++;
    b.total = count;
    return b;
}

static void test_measures(void **state)
{
    (void)state;
    struct bins then = {{49.5, 49.5}, 99, 2}, now = {{24.5, 74.5}, 99, 2}, same = then;
    double p;
    /* Shares of 1/2 and 1/2, and of 1/4 and 3/4. */
    assert_true(fabs(drift_psi(&then, &now) - (-0.25 * log(0.5) + 0.25 * log(1.5))) < 1e-12);
    assert_true(fabs(drift_psi(&then, &same)) < 1e-12);
    assert_true(fabs(drift_ks(&then, &now, &p) - 25 / 99.0) < 1e-12);
    assert_true(p < 0.005 && p > 0.001);
    drift_ks(&then, &same, &p);
    assert_true(p == 1);
}

/* A baseline of 3,000 readings; then as many as 600,000 of the same: not more alarms than one in 100,000. */
static void test_false_alarms(void **state)
{
    (void)state;
    int alarms = 0;
    for (int round = 0; round < 20; round++) {
        struct bins then = collect(2, 3000);
        struct watch w;
        drift_watch_init(&w, &then, RUN);
        for (int i = 0; i < 30000; i++)
            alarms += drift_watch_add(&w, draw(2));
    }
    print_message("%d false alarms in 600,000 readings\n", alarms);
    assert_true(alarms <= 6);
}

/* Readings as before, then of another kind: found soon, at the median and nearly always. */
static void test_delay(void **state)
{
    (void)state;
    int late = 0, total = 0;
    for (int round = 0; round < 100; round++) {
        struct bins then = collect(2, 3000);
        struct watch w;
        int delay = 0;
        drift_watch_init(&w, &then, RUN);
        for (int i = 0; i < 1000; i++)
            drift_watch_add(&w, draw(2));
        while (!drift_watch_add(&w, draw(0.8)))
            delay++;
        total += delay;
        late += delay > 200;
    }
    print_message("found after %d readings on average, %d of 100 after more than 200\n", total / 100, late);
    assert_true(total / 100 < 100 && late <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_false_alarms),
        cmocka_unit_test(test_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
