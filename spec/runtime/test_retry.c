#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/retry.h"

enum { NOON_S = 1784894400 }; /* Fri, 24 Jul 2026 12:00:00 GMT */

static int64_t after(const char *text)
{
    return retry_after_ms(str_of(text), (uint64_t)NOON_S * 1000000);
}

static void retry_after_takes_seconds_and_dates(void **state)
{
    (void)state;
    assert_int_equal(after("2"), 2000);
    assert_int_equal(after("0.25"), 250);
    assert_int_equal(after(" 1.5 "), 1500);
    assert_int_equal(after("0"), 0);
    assert_int_equal(after("Fri, 24 Jul 2026 12:00:07 GMT"), 7000);
    assert_int_equal(after("Friday, 24-Jul-26 12:01:00 GMT"), 60000);
    assert_int_equal(after("Fri Jul 24 12:00:01 2026"), 1000);
    assert_int_equal(after("Fri, 24 Jul 2026 11:00:00 GMT"), 0);
}

static void retry_after_refuses_the_rest(void **state)
{
    (void)state;
    static const char *const WRONG[] = {"", " ", "-1", "inf", "nan", "0x10", "1e3", "soon", "1s", ".", "1.2.3",
                                        "99999999999999999999", "Fri, 24 Jul 2026 12:00:07 GMT, and more than fits here"};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        assert_int_equal(after(WRONG[i]), -1);
}

static void durations_are_those_of_go(void **state)
{
    (void)state;
    assert_int_equal(retry_duration_ms(str_of("6ms")), 6);
    assert_int_equal(retry_duration_ms(str_of("1m30.5s")), 90500);
    assert_int_equal(retry_duration_ms(str_of("2h1m")), 7260000);
    assert_int_equal(retry_duration_ms(str_of("1.2ms")), 2);
    assert_int_equal(retry_duration_ms(str_of("34.4s")), 34400);
    assert_int_equal(retry_duration_ms(str_of("17")), 17000);
    assert_int_equal(retry_duration_ms(str_of("0s")), 0);
    assert_int_equal(retry_duration_ms(str_of("1x")), -1);
    assert_int_equal(retry_duration_ms(str_of("s")), -1);
    assert_int_equal(retry_duration_ms(str_of("1m30")), -1);
    assert_int_equal(retry_duration_ms(str_of("-1s")), -1);
}

static void backoff_doubles_up_to_eight_seconds(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n++) {
        unsigned most = 250u << (n < 5 ? n : 5);
        assert_int_equal(retry_backoff_ms(n, most), most);
        assert_int_equal(retry_backoff_ms(n, most + 1), 0);
    }
}

static void retries_stay_under_a_fifth_of_the_traffic(void **state)
{
    (void)state;
    struct retry_budget b = {0};
    int granted = 0;
    retry_budget_init(&b);
    for (int i = 0; i < 1000; i++) {
        retry_deposit(&b);
        granted += retry_withdraw(&b);
    }
    assert_in_range(granted, 200, 205);
    assert_int_equal(b.spent, granted);
}

static void an_idle_hour_saves_up_no_storm(void **state)
{
    (void)state;
    struct retry_budget b = {0};
    int granted = 0;
    for (int i = 0; i < 100000; i++)
        retry_deposit(&b);
    while (retry_withdraw(&b))
        granted++;
    assert_in_range(granted, 1, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_takes_seconds_and_dates),
        cmocka_unit_test(retry_after_refuses_the_rest),
        cmocka_unit_test(durations_are_those_of_go),
        cmocka_unit_test(backoff_doubles_up_to_eight_seconds),
        cmocka_unit_test(retries_stay_under_a_fifth_of_the_traffic),
        cmocka_unit_test(an_idle_hour_saves_up_no_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
