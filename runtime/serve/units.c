#include "serve/units.h"

#include "base/clock.h"
#include "bind/experiment.h"
#include "serve/router_state.h"
#include "serve/toll.h"
#include "serve/vitals.h"

static struct generation *find_warm(const struct router *r, unsigned id)
{
    for (int i = 0; i < r->options.warm_count; i++)
        if (r->options.warm[i] && r->options.warm[i]->id == id)
            return r->options.warm[i];
    return NULL; /* this worker has still to build it */
}

/* The live generation's weights stay: its experiments are only looked up, new ones begin. */
static void open_experiments(struct router *r, struct generation *g)
{
    struct experiments *known = &r->options.region->experiments;
    for (struct experiment_binding *b = g->experiments; b; b = b->next) {
        struct experiment *x = experiments_find(known, b->source.name);
        bool is_same = x && strcmp(x->salt, b->source.salt) == 0;
        b->shared = is_same ? x : experiments_use(known, &b->source, clock_wall_us());
    }
}

static void ready(struct router *r, struct generation *g)
{
    if (g->health)
        return;
    vitals_open(r, g);
    open_experiments(r, g);
}

static struct str unit_of(struct request *rq)
{
    struct str unit = view_user(&rq->scope.view);
    if (unit.len == 0)
        unit = view_conversation(&rq->scope.view);
    if (unit.len == 0 && toll_name(rq))
        unit = str_of(toll_name(rq));
    return unit.len > 0 ? unit : str_of(rq->id);
}

void units_choose(struct request *rq)
{
    struct router *r = rq->router;
    const struct canary *c = r->options.region ? &r->options.region->canary : NULL;
    uint64_t split = c ? atomic_load_explicit(&c->split, memory_order_acquire) : 0;
    if (split == 0)
        return;
    rq->canary = atomic_load(&c->number);
    struct generation *g = canary_takes(c, split, unit_of(rq)) ? find_warm(r, canary_generation(split)) : NULL;
    if (g == NULL || g == rq->generation)
        return;
    ready(r, g);
    generation_release(rq->generation);
    rq->generation = generation_hold(g);
}

void units_count(const struct request *rq)
{
    if (rq->canary == 0)
        return;
    struct canary *c = &rq->router->options.region->canary;
    unsigned canary = canary_generation(atomic_load(&c->split));
    if (canary == 0 || rq->canary != atomic_load(&c->number))
        return;
    struct canary_outcome o = {
        .is_script_error = rq->script_error != NULL,
        .is_error = rq->status >= 500 || rq->broke_off,
        .is_served = rq->served != NULL && rq->status == 200 && !rq->broke_off,
        .usd = rq->usd,
        .us = (rq->ended_ns - rq->started_ns) / 1000,
    };
    canary_count(&c->sides[rq->generation->id == canary], &o);
}
