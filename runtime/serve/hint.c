#include "serve/hint.h"

#include "base/clock.h"
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
    return hint;
}
