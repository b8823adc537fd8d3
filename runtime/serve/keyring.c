#include "serve/keyring.h"

#include "serve/router_state.h"

static struct keyring *ring_of(const struct request *rq, const struct model *model)
{
    const struct generation *g = rq->generation;
    return &g->keyrings[model->provider - g->config->providers];
}

static bool is_usable(const struct keyring *ring, int i, uint32_t tried)
{
    return ring->keys[i].fields && !(tried >> i & 1);
}

struct credential *keyring_pick(const struct request *rq, const struct model *model, uint32_t tried, uint64_t now, enum health_pick *how)
{
    struct keyring *ring = ring_of(rq, model);
    unsigned first = ring->count > 1 ? ring->turn++ : 0;
    for (int n = 0; n < ring->count; n++) {
        int i = (int)((first + (unsigned)n) % (unsigned)ring->count);
        *how = is_usable(ring, i, tried) ? health_pick(ring->keys[i].health, now) : HEALTH_COOLING;
        if (*how != HEALTH_COOLING)
            return &ring->keys[i];
    }
    return NULL;
}

/* The key that may be called first again, and when. */
static struct credential *least_cooling(struct keyring *ring, uint32_t tried, uint64_t now, uint64_t *ms)
{
    struct credential *best = NULL;
    for (int i = 0; i < ring->count; i++) {
        uint64_t its = is_usable(ring, i, tried) ? health_cooling_ms(ring->keys[i].health, now) : 0;
        if (!is_usable(ring, i, tried) || (best && its >= *ms))
            continue;
        best = &ring->keys[i];
        *ms = its;
    }
    return best;
}

uint64_t keyring_cooling_ms(const struct request *rq, const struct model *model, uint64_t now)
{
    uint64_t ms = 0;
    least_cooling(ring_of(rq, model), 0, now, &ms);
    return ms;
}

void keyring_use(struct attempt *a)
{
    struct keyring *ring = ring_of(a->request, a->model);
    uint64_t now = a->started_ns / 1000000, ms = 0;
    enum health_pick how;
    a->credential = a->options.credential;
    if (a->credential == NULL && ring->count > 1 && a->request->run == NULL) /* which may be a probe: not a shadow's to use up */
        a->credential = keyring_pick(a->request, a->model, a->options.keys_tried, now, &how);
    if (a->credential == NULL)
        a->credential = least_cooling(ring, a->options.keys_tried, now, &ms);
    a->options.credential = NULL;
    a->options.keys_tried |= 1u << (a->credential - ring->keys);
}

struct credential *keyring_next(const struct attempt *a)
{
    enum health_pick how;
    bool is_keys = a->err.kind == ERR_RATE_LIMIT || a->err.kind == ERR_AUTH;
    if (!is_keys || a->is_committed || a->credential == NULL || !keyring_has_more(a))
        return NULL;
    return keyring_pick(a->request, a->model, a->options.keys_tried, a->ended_ns / 1000000, &how);
}

bool keyring_has_more(const struct attempt *a)
{
    return ring_of(a->request, a->model)->count > 1;
}

void keyring_failed(const struct attempt *a, unsigned rest_ms)
{
    uint64_t now = a->ended_ns / 1000000;
    health_failed(a->credential->health, a->started_ns / 1000000, now);
    if (keyring_has_more(a))
        health_cool(a->credential->health, now, a->hint.wait_ms > 0 ? (uint64_t)a->hint.wait_ms : rest_ms);
}

int keyring_index(const struct attempt *a)
{
    if (a->credential == NULL || !keyring_has_more(a))
        return 0;
    return (int)(a->credential - ring_of(a->request, a->model)->keys) + 1;
}
