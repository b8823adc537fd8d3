#include "policy/purse.h"

static const uint64_t DAY_US = 86400ull * 1000000;

static uint64_t billionths(double usd)
{
    return usd > 0 ? (uint64_t)(usd * 1e9 + 0.5) : 0;
}

bool purse_has(const struct purse *p, double usd, uint64_t wall_us)
{
    bool is_today = atomic_load(&p->day) == wall_us / DAY_US;
    return (is_today ? atomic_load(&p->today) : 0) < billionths(usd);
}

void purse_spend(struct purse *p, double usd, uint64_t wall_us)
{
    uint64_t day = wall_us / DAY_US, before = atomic_load(&p->day);
    if (before != day && atomic_compare_exchange_strong(&p->day, &before, day))
        atomic_store(&p->today, 0);
    atomic_fetch_add(&p->today, billionths(usd));
    atomic_fetch_add(&p->total, billionths(usd));
}

double purse_total(const struct purse *p)
{
    return (double)atomic_load(&p->total) / 1e9;
}
