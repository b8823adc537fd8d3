#include "policy/region.h"

#include "base/shm.h"

struct region *region_new(void)
{
    struct region *r = shm_new(sizeof *r);
    retry_budget_init(&r->retries);
    experiments_init(&r->experiments);
    lock_init(&r->feedback.scoring);
    r->kv = table_new(16, (uint64_t)REGION_KV_MOST_MB << 20, 96);
    r->cache = table_new(8, (uint64_t)REGION_CACHE_MOST_MB << 20, 1024);
    return r;
}

void region_free(struct region *r)
{
    table_free(r->kv);
    table_free(r->cache);
    shm_free(r, sizeof *r);
}
