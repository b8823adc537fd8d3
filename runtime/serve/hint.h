/*
 * hint: when a provider wants to be asked again, in any of the spellings of WIRE's "Waiting": x-should-retry, retry-after-ms, retry-after
 * (seconds or a date), and for a 429 the x-ratelimit-reset-* of what is used up.
 */
#pragma once

#include <stdint.h>

#include "net/http.h"

struct hint {
    int64_t wait_ms;     /* -1: it did not say */
    int8_t should_retry; /* 1 yes, 0 no, -1 it did not say */
};

struct hint hint_read(const struct http_head *head);
