/*
 * purse: what the answers of shadows have cost, over all workers: today (UTC) and since the server began. Atomics; a worker that dies has spent what it has said.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct purse {
    _Atomic uint64_t day;   /* since 1970 */
    _Atomic uint64_t today; /* billionths of a US dollar */
    _Atomic uint64_t total;
};

/* Was less spent today than `usd`? What runs already may still go past it. */
bool purse_has(const struct purse *p, double usd, uint64_t wall_us);
void purse_spend(struct purse *p, double usd, uint64_t wall_us);

double purse_total(const struct purse *p);
