#include "serve/vitals.h"

#include <stdio.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bind/derive.h"
#include "serve/attempt.h"
#include "serve/keyring.h"
#include "serve/router_state.h"

enum { FEWEST_SAMPLES = 20, LIMITED_REST_MS = 1000, REFUSED_REST_MS = 30 * 1000 };

static uint64_t hash_of(const char *text, uint64_t seed)
{
    return text ? XXH3_64bits_withSeed(text, strlen(text), seed) : seed;
}

/* What makes it another target under the same name: address and key, and for a model what the provider calls it. */
static uint64_t fingerprint(const struct provider *p, const struct credential *key, const char *name)
{
    return hash_of(name, hash_of(key->key, hash_of(p->base_url, 1)));
}

/* A provider's first key has its name, further ones name#2 and so on: no model's, those have a slash. */
static void open_keyring(struct health *h, const struct provider *p, struct keyring *ring)
{
    char name[2 * HEALTH_NAME]; /* one that is too long is nobody's */
    for (int i = 0; i < ring->count; i++) {
        snprintf(name, sizeof name, i == 0 ? "%s" : "%s#%d", p->name, i + 1);
        ring->keys[i].health = health_target(h, name, fingerprint(p, &ring->keys[i], NULL));
    }
}

void vitals_open(struct router *r, struct generation *g)
{
    const struct config *c = g->config;
    struct health *h = &r->options.region->health;
    if (g->health)
        return;
    g->health = xcalloc((size_t)c->model_count + 1, sizeof *g->health);
    for (int i = 0; i < c->model_count; i++) {
        const struct model *m = &c->models[i];
        const struct keyring *ring = &g->keyrings[m->provider - c->providers];
        g->health[i] = health_target(h, m->id, fingerprint(m->provider, &ring->keys[0], m->name));
    }
    for (int i = 0; i < c->provider_count; i++)
        open_keyring(h, &c->providers[i], &g->keyrings[i]);
}

struct health_target *vitals_of(const struct request *rq, const struct model *model)
{
    return rq->generation->health[model_base(model) - rq->generation->config->models];
}

bool vitals_is_drained(const struct request *rq, const struct model *model)
{
    return health_is_drained(vitals_of(rq, model));
}

enum health_pick vitals_pick(const struct request *rq, const struct model *model, uint64_t now, struct credential **key)
{
    enum health_pick of_key;
    *key = keyring_pick(rq, model, 0, now, &of_key);
    if (*key == NULL)
        return HEALTH_COOLING;
    enum health_pick of_model = health_pick(vitals_of(rq, model), now);
    if (of_model == HEALTH_COOLING && of_key == HEALTH_PROBE)
        health_undecided((*key)->health);
    return of_model == HEALTH_CLOSED ? of_key : of_model;
}

uint64_t vitals_cooling_ms(const struct request *rq, const struct model *model, uint64_t now)
{
    uint64_t own = health_cooling_ms(vitals_of(rq, model), now), key = keyring_cooling_ms(rq, model, now);
    return own > key ? own : key;
}

unsigned vitals_p95_ms(const struct request *rq, const struct model *model)
{
    const struct health_times *times = &vitals_of(rq, model)->duration;
    return health_samples(times) < FEWEST_SAMPLES ? 0 : health_p95(times) / 1000 + 1;
}

void vitals_began(const struct attempt *a)
{
    if (a->request->run == NULL)
        health_began(vitals_of(a->request, a->model), a->request->router->options.slot);
}

void vitals_committed(const struct attempt *a)
{
    struct health_target *t = vitals_of(a->request, a->model);
    uint64_t began = a->started_ns / 1000000, now = a->first_ns / 1000000;
    if (a->request->run)
        return;
    health_succeeded(t, began, now);
    health_succeeded(a->credential->health, began, now);
    health_first_token(t, (a->first_ns - a->started_ns) / 1000, now);
}

static void failed(const struct attempt *a, struct health_target *t, uint64_t began, uint64_t now)
{
    health_failed(t, began, now);
    if ((a->err.kind == ERR_RATE_LIMIT || a->err.kind == ERR_OVERLOADED) && a->hint.wait_ms > 0)
        health_cool(t, now, (uint64_t)a->hint.wait_ms);
}

void vitals_ended(const struct attempt *a)
{
    struct health_target *t = vitals_of(a->request, a->model), *key = a->credential->health;
    uint64_t began = a->started_ns / 1000000, now = a->ended_ns / 1000000;
    if (a->request->run)
        return;
    health_ended(t, a->request->router->options.slot);
    switch (a->err.kind) {
    case ERR_NONE:
        if (a->is_committed)
            return;
        health_succeeded(t, began, now);
        health_succeeded(key, began, now);
        health_duration(t, (a->ended_ns - a->started_ns) / 1000, now);
        return;
    case ERR_RATE_LIMIT:
        if (keyring_has_more(a)) { /* the key's limit: the model itself may be well */
            keyring_failed(a, LIMITED_REST_MS);
            health_undecided(t);
            return;
        } /* fall through */
    case ERR_OVERLOADED:
    case ERR_SERVER_ERROR:
    case ERR_CONNECT:
    case ERR_CUT:
    case ERR_MALFORMED:
    case ERR_TIMEOUT:
        failed(a, t, began, now);
        health_undecided(key);
        return;
    case ERR_CANCELLED:
        if (!a->is_sse && health_samples(&t->duration) && a->ended_ns - a->started_ns >= health_p95(&t->duration) * 1000ull)
            health_duration(t, (a->ended_ns - a->started_ns) / 1000, now); /* else losers of hedges would hide the tail */
        health_undecided(t);
        health_undecided(key);
        return;
    case ERR_AUTH:
        keyring_failed(a, REFUSED_REST_MS);
        health_undecided(t);
        return;
    default:
        health_undecided(t);
        health_undecided(key);
    }
}
