/* limited: requests that were not let in, counted by why. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum limited { LIMITED_KEY, LIMITED_REQUESTS, LIMITED_TOKENS, LIMITED_CONCURRENT, LIMITED_USD, LIMITED_SERVER, LIMITED_COUNT };

struct limited_counts {
    _Atomic uint64_t counts[LIMITED_COUNT];
};

/* "key", "requests", "tokens", "concurrent", "usd", "server". */
const char *limited_name(enum limited why);

static inline void limited_count(struct limited_counts *c, enum limited why)
{
    atomic_fetch_add_explicit(&c->counts[why], 1, memory_order_relaxed);
}
