/*
 * region: what outlives a request and holds over all workers of a machine: one struct in shared memory, made by the master before
 * the fork and handed to workers and admin beside the stats.
 *
 * Its parts are fixed in size, empty when zeroed, and changed by atomics (or robust locks set up in region_new), so that a worker that dies
 * inside leaves them usable. A reload leaves them alone.
 */
#pragma once

#include "policy/canary.h"
#include "policy/experiments.h"
#include "policy/feedback.h"
#include "policy/health.h"
#include "policy/keys.h"
#include "policy/limited.h"
#include "policy/purse.h"
#include "policy/retry.h"
#include "policy/table.h"

enum { REGION_KV_MOST_MB = 64, REGION_CACHE_MOST_MB = 512 };

struct region {
    struct health health;
    struct retry_budget retries;
    struct keys keys;
    struct limited_counts limited;
    struct canary canary;
    struct experiments experiments;
    struct feedback feedback;
    struct purse shadows;
    struct table *kv;    /* wye.kv */
    struct table *cache; /* whole answers */
};

struct region *region_new(void);
void region_free(struct region *r);
