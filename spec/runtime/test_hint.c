/* When to ask again, as providers spell it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "serve/hint.h"

static struct hint hint_of(int status, const char *name, const char *value, const char *name2, const char *value2)
{
    struct http_head head = {.status = status};
    head.fields[head.count].name = str_of(name);
    head.fields[head.count++].value = str_of(value);
    if (name2) {
        head.fields[head.count].name = str_of(name2);
        head.fields[head.count++].value = str_of(value2);
    }
    return hint_read(&head);
}

static void milliseconds_come_before_seconds(void **state)
{
    (void)state;
    assert_int_equal(hint_of(429, "retry-after", "2", "retry-after-ms", "1500").wait_ms, 1500);
    assert_int_equal(hint_of(429, "Retry-After", "2", "Retry-After-Ms", "soon").wait_ms, 2000);
    assert_int_equal(hint_of(503, "Retry-After", "0.5", NULL, NULL).wait_ms, 500);
    assert_int_equal(hint_of(503, "Date", "now", NULL, NULL).wait_ms, -1);
}

static void resets_count_for_what_is_used_up(void **state)
{
    (void)state;
    assert_int_equal(hint_of(429, "x-ratelimit-reset-requests", "1m1s", "x-ratelimit-reset-tokens", "6ms").wait_ms, 61000);
    assert_int_equal(hint_of(429, "x-ratelimit-reset-requests", "1m", "x-ratelimit-remaining-requests", "3").wait_ms, -1);
    assert_int_equal(hint_of(429, "x-ratelimit-reset-requests", "1s", "x-ratelimit-remaining-requests", "0").wait_ms, 1000);
    assert_int_equal(hint_of(503, "x-ratelimit-reset-requests", "1s", NULL, NULL).wait_ms, -1);
}

/* Anthropic names the moment, in RFC 3339. */
static void a_reset_may_be_a_moment(void **state)
{
    (void)state;
    char text[32], past[] = "2020-01-01T00:00:00Z";
    time_t then = time(NULL) + 100;
    struct tm tm;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&then, &tm));
    int64_t wait = hint_of(429, "anthropic-ratelimit-requests-reset", text, "anthropic-ratelimit-requests-remaining", "0").wait_ms;
    assert_in_range(wait, 98000, 100000);
    assert_int_equal(hint_of(429, "anthropic-ratelimit-tokens-reset", text, "anthropic-ratelimit-tokens-remaining", "9").wait_ms, -1);
    assert_int_equal(hint_of(429, "anthropic-ratelimit-tokens-reset", past, NULL, NULL).wait_ms, 0);
    assert_int_equal(hint_of(429, "anthropic-ratelimit-tokens-reset", "tomorrow, at about nine", NULL, NULL).wait_ms, -1);
    assert_int_equal(hint_of(200, "anthropic-ratelimit-tokens-reset", text, NULL, NULL).wait_ms, -1);
}

static void a_body_may_say_it(void **state)
{
    (void)state;
    struct str body = str_of("{\"error\":{\"code\":429,\"details\":[{\"@type\":\"x\"},{\"retryDelay\":\"34.4s\"}]}}");
    struct hint hint = {-1, -1}, said = {7, -1};
    hint_read_body(&hint, body);
    assert_int_equal(hint.wait_ms, 34400);
    hint_read_body(&said, body);
    assert_int_equal(said.wait_ms, 7);
    hint = (struct hint){-1, -1};
    hint_read_body(&hint, str_of("{\"error\":{\"details\":{}}}"));
    hint_read_body(&hint, str_of("<html>"));
    assert_int_equal(hint.wait_ms, -1);
}

static void a_provider_may_say_yes_or_no(void **state)
{
    (void)state;
    assert_int_equal(hint_of(500, "x-should-retry", "true", NULL, NULL).should_retry, 1);
    assert_int_equal(hint_of(500, "x-should-retry", "False", NULL, NULL).should_retry, 0);
    assert_int_equal(hint_of(500, "x-should-retry", "perhaps", NULL, NULL).should_retry, -1);
    assert_int_equal(hint_of(500, "Date", "now", NULL, NULL).should_retry, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(milliseconds_come_before_seconds),
        cmocka_unit_test(resets_count_for_what_is_used_up),
        cmocka_unit_test(a_reset_may_be_a_moment),
        cmocka_unit_test(a_body_may_say_it),
        cmocka_unit_test(a_provider_may_say_yes_or_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
