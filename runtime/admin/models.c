#include "admin/models.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/near.h"
#include "vm/generation.h"
#include "vm/guard.h"

enum { PACKED_MOST = 128 << 20, NAMES_MOST = 256 };

/* ---- the configuration ---- */

void models_open(struct models *m)
{
    struct err err;
    (void)m;
    if (guard_open(&err) < 0)
        log_warn("%s", err.message);
}

void models_close(struct models *m)
{
    if (m->config)
        generation_release(m->config);
    m->config = NULL;
    guard_close();
}

static struct generation *read_config(const struct models *m, unsigned id, struct err *err)
{
    const struct admin_options *o = m->options;
    struct buf packed = BUF(PACKED_MOST);
    struct manifest *files = NULL;
    if (o->read_generation(o->state_dir, o->host->history[id % HOST_HISTORY].hash, &packed, err) == 0)
        files = manifest_unpack(buf_str(&packed), err);
    buf_clear(&packed);
    return files ? generation_load_config(id, files, o->building, err) : NULL;
}

/* Of the live generation; NULL with err. */
static const struct config *config_of(struct models *m, struct err *err)
{
    unsigned live = atomic_load(&m->options->host->live);
    if (m->config && m->generation == live)
        return m->config->config;
    if (live == 0 || atomic_load(&m->options->host->history[live % HOST_HISTORY].id) != live) {
        err_set(err, ERR_SYSTEM, "no generation is live yet");
        return NULL;
    }
    struct generation *fresh = read_config(m, live, err);
    if (fresh == NULL)
        return NULL;
    if (m->config)
        generation_release(m->config);
    m->config = fresh;
    m->generation = live;
    return fresh->config;
}

/* ---- the list ---- */

static void put_text(struct buf *out, const char *before, const char *text)
{
    buf_puts(out, before);
    json_quote_z(out, text);
}

static void put_time(struct buf *out, const char *before, uint64_t wall_us)
{
    char at[32];
    put_text(out, before, wall_us ? clock_format(wall_us, at, sizeof at) : NULL);
}

static void put_price(struct buf *out, const struct model *model)
{
    static const char *const BUCKETS[PRICE_BUCKETS] = {"input", "cache_read", "cache_write", "output", "reasoning"};
    buf_puts(out, model->has_price ? ",\"price\":{" : ",\"price\":null");
    for (int i = 0; model->has_price && i < PRICE_BUCKETS; i++)
        buf_printf(out, "%s\"%s\":%.10g", i ? "," : "", BUCKETS[i], model->price[i]);
    buf_puts(out, model->has_price ? "}" : "");
}

static void put_ability(struct buf *out, const char *name, int8_t value)
{
    buf_printf(out, ",\"%s\":%s", name, value < 0 ? "null" : value ? "true" : "false");
}

static void put_times(struct buf *out, const char *name, const struct health_times *times)
{
    uint32_t calls = times ? health_samples(times) : 0;
    buf_printf(out, ",\"%s\":{\"calls\":%u,", name, calls);
    if (calls)
        buf_printf(out, "\"p50_ms\":%.3f,\"p95_ms\":%.3f}", health_p50(times) / 1e3, health_p95(times) / 1e3);
    else
        buf_puts(out, "\"p50_ms\":null,\"p95_ms\":null}");
}

static void put_drain(struct buf *out, const struct drain *d)
{
    put_text(out, "{\"name\":", d->name);
    put_time(out, ",\"since\":", atomic_load(&d->since_us));
    buf_putc(out, '}');
}

static void put_health(struct buf *out, const struct health_target *t)
{
    uint64_t now = clock_ms(), changed = t ? atomic_load(&t->changed_ms) : 0, cooling = t ? health_cooling_ms(t, now) : 0;
    bool is_closed = t == NULL || health_is_closed(t);
    buf_printf(out, ",\"health\":\"%s\"", is_closed ? "closed" : cooling ? "open" : "half-open");
    put_time(out, ",\"since\":", changed && changed <= now ? clock_wall_us() - (now - changed) * 1000 : 0);
    buf_printf(out, ",\"cooling_ms\":%" PRIu64 ",\"in_flight\":%u", cooling, t ? health_busy(t) : 0);
    put_times(out, "first_token", t ? &t->first_token : NULL);
    put_times(out, "duration", t ? &t->duration : NULL);
}

static void put_model(struct buf *out, const struct models *m, const struct model *model)
{
    const struct health *h = &m->options->region->health;
    const struct drain *drain = drains_match(&h->drains, model->id);
    char words[400];
    put_text(out, "{\"id\":", model->id);
    put_text(out, ",\"provider\":", model->provider->name);
    put_text(out, ",\"kind\":", CONFIG_KINDS[model->provider->kind]);
    put_text(out, ",\"name\":", model->name);
    put_price(out, model);
    if (model->context)
        buf_printf(out, ",\"context\":%u", model->context);
    else
        buf_puts(out, ",\"context\":null");
    put_ability(out, "tools", model->tools);
    put_ability(out, "vision", model->vision);
    put_ability(out, "structured", model->structured);
    buf_printf(out, ",\"default\":%s", model == m->config->config->fallback ? "true" : "false");
    put_health(out, health_find(h, model->id));
    buf_puts(out, drain ? ",\"drained\":" : ",\"drained\":null");
    if (drain)
        put_drain(out, drain);
    put_text(out, ",\"problem\":", generation_provider_problem(m->config, model->provider, words, sizeof words));
    buf_putc(out, '}');
}

/* sim/fast and sim/smart, which nobody wrote down, are of use where the simulator runs. */
static bool is_shown(const struct models *m, const struct model *model)
{
    return !model->is_implied || m->options->building->sim_url;
}

int models_list(struct models *m, struct buf *out, struct err *err)
{
    const struct config *c = config_of(m, err);
    const char *before = "";
    if (c == NULL)
        return -1;
    buf_printf(out, "{\"generation\":%u,\"models\":[", m->generation);
    for (int i = 0; i < c->model_count; i++) {
        if (!is_shown(m, &c->models[i]))
            continue;
        buf_puts(out, before);
        put_model(out, m, &c->models[i]);
        before = ",";
    }
    return buf_puts(out, "]}\n") < 0 ? err_set(err, ERR_SYSTEM, "there are too many models to show") : 0;
}

/* ---- out of service ---- */

static int hex_of(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* False when it is too long. */
static bool decode(struct str in, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len && n < size; i++) {
        bool is_coded = in.p[i] == '%' && i + 2 < in.len && hex_of(in.p[i + 1]) >= 0 && hex_of(in.p[i + 2]) >= 0;
        out[n++] = is_coded ? (char)(hex_of(in.p[i + 1]) << 4 | hex_of(in.p[i + 2])) : in.p[i];
        i += is_coded ? 2 : 0;
    }
    if (n == size)
        return false;
    out[n] = '\0';
    return true;
}

static bool is_all_of(const char *name)
{
    size_t len = strlen(name);
    return len > 2 && strcmp(name + len - 2, "/*") == 0;
}

static int refuse_provider(const struct config *c, const char *name, struct err *err)
{
    const char *names[NAMES_MOST + 1];
    int count = c->provider_count < NAMES_MOST ? c->provider_count : NAMES_MOST;
    for (int i = 0; i < count; i++)
        names[i] = c->providers[i].name;
    const char *near = near_name(name, names, count);
    return err_set(err, ERR_LIMIT, "wye.lua has no provider '%s'%s%s%s", name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

/* It is one that wye.lua has. */
static int check(const struct config *c, const char *name, struct err *err)
{
    if (is_all_of(name)) {
        char provider[DRAIN_NAME];
        snprintf(provider, sizeof provider, "%.*s", (int)strlen(name) - 2, name);
        for (int i = 0; i < c->provider_count; i++)
            if (strcmp(c->providers[i].name, provider) == 0)
                return 0;
        return refuse_provider(c, provider, err);
    }
    const char *near;
    if (config_model(c, name))
        return 0;
    int found = config_near_models(c, name, &near, 1);
    return err_set(err, ERR_LIMIT, "wye.lua has no model '%s'%s%s%s; `wye model list` shows them", name, found ? " (did you mean '" : "", found ? near : "",
                   found ? "'?)" : "");
}

/* Calls of the models that `name` stands for. */
static unsigned in_flight(const struct health *h, const char *name)
{
    unsigned sum = 0;
    size_t len = strlen(name) - (is_all_of(name) ? 1 : 0);
    for (int i = 0; i < HEALTH_TARGETS; i++) {
        const char *model = health_name(&h->targets[i]);
        bool is_one = model && strchr(model, '/') && strncmp(model, name, len) == 0 && (is_all_of(name) || model[len] == '\0');
        sum += is_one ? health_busy(&h->targets[i]) : 0;
    }
    return sum;
}

static bool are_all_drained(const struct models *m, const struct config *c)
{
    for (int i = 0; i < c->model_count; i++)
        if (is_shown(m, &c->models[i]) && !drains_match(&m->options->region->health.drains, c->models[i].id))
            return false;
    return true;
}

static int drain(struct models *m, const char *name, char *words, size_t size, struct err *err)
{
    struct health *h = &m->options->region->health;
    const struct config *c = config_of(m, err);
    if (c == NULL || check(c, name, err) < 0)
        return -1;
    bool was = drains_find(&h->drains, name) != NULL;
    if (!was && drains_add(&h->drains, name, clock_wall_us(), err) < 0)
        return -1;
    health_drain(h);
    snprintf(words, size, "%s %s no new attempts; %u in flight%s", name, was ? "took already" : "takes", in_flight(h, name),
             are_all_drained(m, c) ? ". Every model is drained now: requests are refused with 503" : "");
    return 0;
}

static int make_ready(struct models *m, const char *name, char *words, size_t size, struct err *err)
{
    struct health *h = &m->options->region->health;
    bool was = drains_find(&h->drains, name) != NULL;
    const struct config *c = was ? NULL : config_of(m, err);
    if (!was && (c == NULL || check(c, name, err) < 0))
        return -1;
    drains_remove(&h->drains, name);
    health_drain(h);
    const struct drain *other = is_all_of(name) ? NULL : drains_match(&h->drains, name);
    if (other)
        return err_set(err, ERR_BAD_REQUEST, "%s is drained by %s: `wye model ready '%s'` brings back all of it", name, other->name, other->name);
    snprintf(words, size, "%s %s", name, was ? "takes attempts again" : "was not drained");
    return 0;
}

void models_drained(const struct drains *d, struct buf *out)
{
    const char *before = "[";
    for (int i = 0; i < DRAINS_MOST; i++) {
        if (atomic_load(&d->all[i].since_us) == 0)
            continue;
        buf_puts(out, before);
        put_drain(out, &d->all[i]);
        before = ",";
    }
    buf_puts(out, *before == '[' ? "[]" : "]");
}

int models_set(struct models *m, struct str query, bool is_drained, struct buf *out, struct err *err)
{
    struct health *h = &m->options->region->health;
    char name[DRAIN_NAME], words[400];
    if (query.len == 0 || !decode(query, name, sizeof name))
        return err_set(err, ERR_BAD_REQUEST, "name a model, such as openai/mini, or all of a provider, openai/*; at most %d bytes", DRAIN_NAME - 1);
    if ((is_drained ? drain : make_ready)(m, name, words, sizeof words, err) < 0 || drains_save(&h->drains, m->options->state_dir, err) < 0)
        return -1;
    log_info("%s", words);
    put_text(out, "{\"ok\":true,\"message\":", words);
    buf_puts(out, ",\"drained\":");
    models_drained(&h->drains, out);
    buf_printf(out, ",\"in_flight\":%u}\n", in_flight(h, name));
    return 0;
}
