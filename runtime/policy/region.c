#include "policy/region.h"

#include "base/shm.h"

struct region *region_new(void)
{
    struct region *r = shm_new(sizeof *r);
    retry_budget_init(&r->retries);
    return r;
}

void region_free(struct region *r)
{
    shm_free(r, sizeof *r);
}
