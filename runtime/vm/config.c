#include "vm/config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/near.h"
#include "vm/collector.h"
#include "vm/entries.h"
#include "vm/settings.h"
#include "vm/state.h"

enum { MOST_ALIASES = 4096, MOST_MASKS = 256, ARENA_BYTES = 64 << 20, NEAR_MOST = 16, IN_FLIGHT_MB = 512 };

const char *const CONFIG_KINDS[PROVIDER_KINDS] = {"openai", "anthropic", "gemini", "azure", "bedrock", "sim"};

#define ROWS(table) (table), (int)(sizeof(table) / sizeof *(table))

static int read_limits(struct settings *s, void *field, const struct setting *row)
{
    static const struct setting LIMITS[] = {
        {"body", settings_size, offsetof(struct config, limits.body), 1024, 1u << 30, "bytes"},
        {"concurrent", settings_unsigned, offsetof(struct config, limits.concurrent), 1, 1e6, NULL},
        {"in_flight_mb", settings_unsigned, offsetof(struct config, limits.in_flight_mb), 1, 1 << 20, NULL},
        {"adaptive", settings_bool, offsetof(struct config, limits.adaptive), 0, 0, NULL},
        {"script_ms", settings_unsigned, offsetof(struct config, limits.script_ms), 1, 10000, NULL},
        {"script_mb", settings_unsigned, offsetof(struct config, limits.script_mb), 1, 1024, NULL},
        {"cache_mb", settings_unsigned, offsetof(struct config, limits.cache_mb), 0, 512, NULL},
        {"kv_mb", settings_unsigned, offsetof(struct config, limits.kv_mb), 1, 64, NULL},
        {"shadow_usd", settings_number, offsetof(struct config, limits.shadow_usd), 0, 1e6, "US dollars"},
    };
    (void)row;
    struct config *c = field;
    if (settings_read(s, ROWS(LIMITS), field) < 0)
        return -1;
    if (c->limits.in_flight_mb == IN_FLIGHT_MB && c->limits.body > (size_t)IN_FLIGHT_MB << 20)
        c->limits.in_flight_mb = (unsigned)((c->limits.body + (1u << 20) - 1) >> 20);
    if (c->limits.body > (size_t)c->limits.in_flight_mb << 20)
        return settings_fail(s, "in_flight_mb = %u has no room for one body of limits.body (%zu bytes)", c->limits.in_flight_mb, c->limits.body);
    return 0;
}

/* A JSON pointer in which * stands for any member. */
static int read_mask(struct settings *s, int index, void *arg)
{
    struct config *c = arg;
    const char **mask = &c->capture.masks[index - 1];
    if (settings_text(s, mask, NULL) < 0)
        return -1;
    if (**mask != '/')
        return settings_fail(s, "'%.80s' is no JSON pointer; it begins with '/'", *mask);
    for (const char *tilde = strchr(*mask, '~'); tilde; tilde = strchr(tilde + 1, '~'))
        if (tilde[1] != '0' && tilde[1] != '1')
            return settings_fail(s, "'%.80s' is no JSON pointer; '~' is written ~0", *mask);
    c->capture.mask_count = index;
    return 0;
}

static int read_masks(struct settings *s, void *field, const struct setting *row)
{
    (void)row;
    struct config *c = field;
    c->capture.masks = arena_alloc(s->arena, MOST_MASKS * sizeof *c->capture.masks);
    return settings_each_item(s, MOST_MASKS, read_mask, c);
}

static int read_capture(struct settings *s, void *field, const struct setting *row)
{
    static const struct setting CAPTURE[] = {
        {"share", settings_number, offsetof(struct config, capture.share), 0, 1, NULL},
        {"mask", read_masks, 0, 0, 0, NULL},
    };
    (void)row;
    return settings_read(s, ROWS(CAPTURE), field);
}

static int read_admin(struct settings *s, void *field, const struct setting *row)
{
    static const struct setting ADMIN[] = {
        {"token", entries_secret, offsetof(struct config, admin.token_env), 0, 0, NULL},
    };
    (void)row;
    return settings_read(s, ROWS(ADMIN), field);
}

static int refuse_model(struct settings *s, const struct config *c, const char *id)
{
    const char *near;
    int found = config_near_models(c, id, &near, 1);
    return settings_fail(s, "no model '%.80s' under models%s%s%s", id,
                         found ? " (did you mean '" : "", found ? near : "", found ? "'?)" : "");
}

/* "wye/NAME" must be a route: known only when the routes are loaded. */
static int check_target(struct settings *s, const struct config *c, const char *target)
{
    if (strncmp(target, "wye/", 4) == 0)
        return target[4] ? 0 : settings_fail(s, "'wye/' names no route");
    if (strchr(target, '/') == NULL)
        return settings_fail(s, "'%.80s' is neither \"wye/ROUTE\" nor \"provider/id\"", target);
    return config_model(c, target) ? 0 : refuse_model(s, c, target);
}

static int read_alias(struct settings *s, const char *name, void *arg)
{
    struct config *c = arg;
    if (c->alias_count == MOST_ALIASES)
        return settings_fail(s, "more than %d aliases", MOST_ALIASES);
    if (strcmp(name, "auto") == 0 || strncmp(name, "wye/", 4) == 0)
        return settings_fail(s, "'%.80s' already names a route", name);
    if (config_model(c, name))
        return settings_fail(s, "is a model already");
    struct alias *a = &c->aliases[c->alias_count++];
    a->name = arena_strdup(s->arena, name);
    if (a->name == NULL)
        return settings_fail(s, "the configuration is too large");
    return settings_text(s, &a->target, NULL) < 0 ? -1 : check_target(s, c, a->target);
}

static int by_alias_name(const void *a, const void *b)
{
    return strcmp(((const struct alias *)a)->name, ((const struct alias *)b)->name);
}

static int read_aliases(struct settings *s, void *field, const struct setting *row)
{
    (void)row;
    struct config *c = field;
    c->aliases = arena_alloc(s->arena, MOST_ALIASES * sizeof *c->aliases);
    if (settings_each(s, read_alias, c) < 0)
        return -1;
    qsort(c->aliases, (size_t)c->alias_count, sizeof *c->aliases, by_alias_name);
    return 0;
}

static int read_default(struct settings *s, void *field, const struct setting *row)
{
    struct config *c = field;
    const char *id;
    if (settings_text(s, &id, row) < 0)
        return -1;
    c->fallback = config_model(c, id);
    return c->fallback ? 0 : refuse_model(s, c, id);
}

/* Providers and models are read before all else, because the others name them. */
static int already_read(struct settings *s, void *field, const struct setting *row)
{
    (void)s, (void)field, (void)row;
    return 0;
}

static int read_all(struct settings *s, struct config *c)
{
    static const struct setting SECTIONS[] = {
        {"providers", already_read, 0, 0, 0, NULL},
        {"models", already_read, 0, 0, 0, NULL},
        {"aliases", read_aliases, 0, 0, 0, NULL},
        {"default", read_default, 0, 0, 0, NULL},
        {"direct", settings_bool, offsetof(struct config, direct), 0, 0, NULL},
        {"limits", read_limits, 0, 0, 0, NULL},
        {"capture", read_capture, 0, 0, 0, NULL},
        {"admin", read_admin, 0, 0, 0, NULL},
        {"otlp", collector_read, offsetof(struct config, otlp), 0, 0, NULL},
    };
    struct where_twice twice;
    if (lua_type(s->L, -1) != LUA_TTABLE)
        return settings_fail(s, "the file must return a table, not %s",
                             lua_typename(s->L, lua_type(s->L, -1)));
    if (settings_check(s, ROWS(SECTIONS)) < 0)
        return -1;
    if (where_twice(s->source, &twice))
        return err_set(s->err, ERR_BAD_REQUEST,
                       "%s:%d: key '%.*s' is given twice, first on line %d", s->label, twice.again,
                       (int)(twice.key.len > 80 ? 80 : twice.key.len), twice.key.p, twice.first);
    if (entries_providers(s, c) < 0 || entries_models(s, c) < 0)
        return -1;
    return settings_read(s, ROWS(SECTIONS), c);
}

struct config *config_read(struct vm *vm, struct str source, const char *label, struct err *err)
{
    struct config *c = xcalloc(1, sizeof *c);
    c->arena = ARENA(ARENA_BYTES);
    c->limits.body = 32u << 20;
    c->limits.concurrent = 4096;
    c->limits.in_flight_mb = IN_FLIGHT_MB;
    c->limits.script_ms = 50;
    c->limits.script_mb = 32;
    c->limits.cache_mb = 64;
    c->limits.kv_mb = 8;
    c->limits.shadow_usd = 10;
    c->capture.share = -1;
    struct settings s = {
        .L = vm->L, .arena = &c->arena, .source = source, .label = label, .err = err};
    int top = lua_gettop(vm->L) - 1;
    int result = read_all(&s, c);
    lua_settop(vm->L, top);
    if (result == 0)
        return c;
    config_free(c);
    return NULL;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    arena_clear(&c->arena);
    free(c);
}

static int by_id(const void *id, const void *model)
{
    return strcmp(id, ((const struct model *)model)->id);
}

const struct model *config_model(const struct config *c, const char *id)
{
    return bsearch(id, c->models, (size_t)c->model_count, sizeof *c->models, by_id);
}

/* "gpt-5" is near to "openai/gpt-5": people forget the provider. */
static int distance_to(const char *wrong, const char *id)
{
    int whole = near_distance(wrong, id);
    if (strchr(wrong, '/'))
        return whole;
    int part = near_distance(wrong, strchr(id, '/') + 1);
    return part < whole ? part : whole;
}

int config_near_models(const struct config *c, const char *wrong, const char **out, int max)
{
    int distances[NEAR_MOST], found = 0;
    if (max > NEAR_MOST)
        max = NEAR_MOST;
    for (int i = 0; i < c->model_count; i++) {
        int distance = distance_to(wrong, c->models[i].id), at = found;
        while (at > 0 && distance < distances[at - 1])
            at--;
        if (distance > near_reach(wrong) || at == max)
            continue;
        found += found < max;
        memmove(&distances[at + 1], &distances[at], (size_t)(found - 1 - at) * sizeof *distances);
        memmove(&out[at + 1], &out[at], (size_t)(found - 1 - at) * sizeof *out);
        distances[at] = distance;
        out[at] = c->models[i].id;
    }
    return found;
}
