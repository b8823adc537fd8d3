#include "sim/sim_model.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"

enum { MOST_MODELS = 1000 };

struct preset {
    const char *name;
    double p50_ms, p99_ms, tokens_per_second, quality;
};

static const struct preset PRESETS[] = {
    {"sim/fast", 4, 10, 20000, 0.6},
    {"sim/smart", 15, 30, 8000, 0.95},
    {NULL, 8, 20, 12000, 0.8},
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double sim_model_dice(uint64_t *state)
{
    *state = mix(*state);
    return (double)(*state >> 11) * 0x1p-53;
}

uint64_t sim_model_hash(uint64_t start, struct str bytes)
{
    uint64_t h = 14695981039346656037u ^ start; /* FNV-1a */
    for (size_t i = 0; i < bytes.len; i++)
        h = (h ^ (unsigned char)bytes.p[i]) * 1099511628211u;
    return mix(h);
}

static struct sim_model *add(struct sim_models *models, struct str name)
{
    const struct preset *preset = PRESETS;
    while (preset->name && !str_eq(name, preset->name))
        preset++;
    struct sim_model *m = xcalloc(1, sizeof *m);
    m->name = xstrndup(name.p, name.len);
    m->p50_ms = preset->p50_ms;
    m->p99_ms = preset->p99_ms;
    m->first_token_ms = -1;
    m->tokens_per_second = preset->tokens_per_second;
    m->quality = preset->quality;
    list_push(&models->all, &m->link);
    models->count++;
    return m;
}

void sim_models_init(struct sim_models *models)
{
    *models = (struct sim_models){.seed = 1};
    list_init(&models->all);
    for (const struct preset *p = PRESETS; p->name; p++)
        add(models, str_of(p->name));
}

void sim_models_clear(struct sim_models *models)
{
    LIST_EACH (it, &models->all) {
        struct sim_model *m = LIST_ENTRY(it, struct sim_model, link);
        free(m->name);
        free(m->price);
        free(m);
    }
    list_init(&models->all);
}

struct sim_model *sim_model_find(struct sim_models *models, struct str name)
{
    if (str_eq(name, "fast"))
        name = str_of("sim/fast");
    else if (str_eq(name, "smart"))
        name = str_of("sim/smart");
    LIST_EACH (it, &models->all) {
        struct sim_model *m = LIST_ENTRY(it, struct sim_model, link);
        if (str_eq(name, m->name))
            return m;
    }
    if (models->count >= MOST_MODELS)
        return LIST_ENTRY(list_last(&models->all), struct sim_model, link);
    return add(models, name);
}

double sim_model_latency(const struct sim_model *m, bool is_stream, uint64_t *state)
{
    if (is_stream && m->first_token_ms >= 0)
        return m->first_token_ms;
    if (m->p50_ms <= 0 || m->p99_ms <= m->p50_ms)
        return m->p50_ms;
    double u = sim_model_dice(state), v = sim_model_dice(state);
    double normal = sqrt(-2 * log(1 - u)) * cos(2 * M_PI * v); /* Box and Muller */
    double sigma = log(m->p99_ms / m->p50_ms) / 2.3263; /* the 99th percentile of the normal */
    return fmin(m->p50_ms * exp(sigma * normal), m->p99_ms);
}

int sim_models_stats(const struct sim_models *models, struct buf *out)
{
    const char *before = "{";
    LIST_EACH (it, &models->all) {
        const struct sim_model *m = LIST_ENTRY(it, struct sim_model, link);
        buf_puts(out, before);
        json_quote(out, str_of(m->name));
        buf_printf(out,
                   ":{\"requests\":%llu,\"open\":%u,\"cancelled_by_client\":%llu,\"completed\":%"
                   "llu,\"faults\":%llu}",
                   (unsigned long long)m->requests, m->open, (unsigned long long)m->cancelled,
                   (unsigned long long)m->completed, (unsigned long long)m->faults);
        before = ",";
    }
    return buf_puts(out, "}");
}
