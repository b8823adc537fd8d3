#include "serve/hint.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "policy/retry.h"

/* A number of milliseconds, fractions rounded up. */
static int64_t read_ms(struct str field)
{
    int64_t thousandfold = retry_after_ms(field, 0);
    return thousandfold < 0 ? -1 : (thousandfold + 999) / 1000;
}

/* Until what is used up fills again: the later of the two where both are. */
static int64_t read_resets(const struct http_head *head)
{
    static const char *const FIELDS[][2] = {
        {"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
        {"x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"},
    };
    int64_t wait = -1;
    for (int i = 0; i < 2; i++) {
        struct str remaining = http_field(head, FIELDS[i][0]), reset = http_field(head, FIELDS[i][1]);
        if (reset.p == NULL || (remaining.p && !str_eq(remaining, "0")))
            continue;
        int64_t ms = retry_duration_ms(reset);
        wait = ms > wait ? ms : wait;
    }
    return wait;
}

/* From now until "2026-11-23T04:05:06Z" (or another RFC 3339 time in UTC); -1 when it is none. */
static int64_t until_ms(struct str value)
{
    struct tm tm = {0};
    char text[32];
    if (value.len < 20 || value.len >= sizeof text)
        return -1;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(value));
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end == NULL || (*end != 'Z' && *end != '.' && strcmp(end, "+00:00") != 0))
        return -1;
    int64_t ms = (int64_t)timegm(&tm) * 1000 - (int64_t)(clock_wall_us() / 1000);
    return ms > 0 ? ms : 0;
}

static int64_t read_anthropic_resets(const struct http_head *head)
{
    static const char *const FIELDS[][2] = {
        {"anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"},
        {"anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"},
        {"anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"},
        {"anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"},
    };
    int64_t wait = -1;
    for (int i = 0; i < 4; i++) {
        struct str remaining = http_field(head, FIELDS[i][0]), reset = http_field(head, FIELDS[i][1]);
        int64_t ms = reset.p && (remaining.p == NULL || str_eq(remaining, "0")) ? until_ms(reset) : -1;
        wait = ms > wait ? ms : wait;
    }
    return wait;
}

void hint_read_body(struct hint *hint, struct str body)
{
    if (hint->wait_ms >= 0 || json_validate(body, NULL) < 0)
        return;
    struct json_walk first = json_walk(body);
    if (json_type(body) == JSON_ARRAY && json_next(&first))
        body = first.value;
    struct str details = json_get(json_get(body, "error"), "details");
    for (struct json_walk w = json_walk(details); json_type(details) == JSON_ARRAY && json_next(&w);) {
        struct str delay = json_plain(json_get(w.value, "retryDelay"));
        if (delay.p)
            hint->wait_ms = retry_duration_ms(delay);
    }
}

struct hint hint_read(const struct http_head *head)
{
    struct hint hint = {-1, -1};
    struct str should = http_field(head, "x-should-retry"), in_ms = http_field(head, "retry-after-ms"),
               after = http_field(head, "retry-after");
    if (should.p)
        hint.should_retry = str_ieq(should, "true") ? 1 : str_ieq(should, "false") ? 0 : -1;
    if (in_ms.p)
        hint.wait_ms = read_ms(in_ms);
    if (hint.wait_ms < 0 && after.p)
        hint.wait_ms = retry_after_ms(after, clock_wall_us());
    if (hint.wait_ms < 0 && head->status == 429)
        hint.wait_ms = read_resets(head);
    if (hint.wait_ms < 0 && head->status == 429)
        hint.wait_ms = read_anthropic_resets(head);
    return hint;
}
