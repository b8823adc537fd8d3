/*
 * hint: when a provider wants to be asked again, in any of the spellings of WIRE's "Waiting": x-should-retry, retry-after-ms, retry-after
 * (seconds or a date), and for a 429 the x-ratelimit-reset-* of what is used up, or anthropic-ratelimit-*-reset (RFC 3339). Gemini says it in the body: RetryInfo's
 * retryDelay.
 */
#pragma once

#include <stdint.h>

#include "net/http.h"

struct hint {
    int64_t wait_ms;     /* -1: it did not say */
    int8_t should_retry; /* 1 yes, 0 no, -1 it did not say */
};

struct hint hint_read(const struct http_head *head);

/* What an error's body adds where the head said nothing. */
void hint_read_body(struct hint *hint, struct str body);
