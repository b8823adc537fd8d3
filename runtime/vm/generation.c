#include "vm/generation.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "net/target.h"
#include "vm/secret.h"
#include "vm/where.h"

static const struct vm_limits LOAD_LIMITS = {.script_ms = 50, .memory = 32u << 20};

static bool is_played(const struct generation *g, const struct provider *p)
{
    return p->kind == KIND_SIM || g->options->is_demo;
}

enum provider_kind generation_kind(const struct generation *g, const struct provider *p)
{
    bool has_own_wire = p->kind == KIND_ANTHROPIC || p->kind == KIND_GEMINI;
    return is_played(g, p) && !has_own_wire ? KIND_SIM : p->kind;
}

/* How each kind is shown a key. Bedrock's are bearer tokens unless a secret signs instead. */
static const char *const KEY_FIELDS[] = {
    [KIND_OPENAI] = "Authorization: Bearer ", [KIND_ANTHROPIC] = "x-api-key: ",           [KIND_GEMINI] = "x-goog-api-key: ",
    [KIND_AZURE] = "api-key: ",               [KIND_BEDROCK] = "Authorization: Bearer ", [KIND_SIM] = "",
};

/* Header lines that every call to a provider begins with. */
static char *write_fields(const struct provider *p, const char *key)
{
    struct buf out = BUF(SECRET_MOST * 2);
    bool is_signed = p->secret.env || p->secret.file;
    buf_puts(&out, "Content-Type: application/json\r\nUser-Agent: wye\r\n");
    if (key && !is_signed)
        buf_printf(&out, "%s%s\r\n", KEY_FIELDS[p->kind], key);
    return out.p;
}

/* A player of the simulator is sent no key; it has as many as the provider that it plays. */
static void open_keyring(struct keyring *ring, const struct provider *p, bool is_sent)
{
    ring->count = p->key_count ? p->key_count : 1;
    ring->secret = is_sent ? secret_read(&p->secret) : NULL;
    ring->session = is_sent ? secret_read(&p->session) : NULL;
    ring->keys = xcalloc((size_t)ring->count, sizeof *ring->keys);
    for (int i = 0; i < ring->count; i++) {
        struct credential *c = &ring->keys[i];
        bool is_wanted = is_sent && p->key_count > 0;
        c->key = is_wanted ? secret_read(&p->keys[i]) : NULL;
        c->fields = is_wanted && c->key == NULL ? NULL : write_fields(p, c->key);
    }
}

static void close_keyring(struct keyring *ring)
{
    secret_forget(ring->secret);
    secret_forget(ring->session);
    for (int i = 0; i < ring->count; i++) {
        secret_forget(ring->keys[i].key);
        secret_forget(ring->keys[i].fields);
    }
    free(ring->keys);
}

static void open_endpoints(struct generation *g)
{
    int count = g->config->provider_count;
    g->endpoints = xcalloc((size_t)count + 1, sizeof *g->endpoints);
    g->keyrings = xcalloc((size_t)count + 1, sizeof *g->keyrings);
    for (int i = 0; i < count; i++) {
        const struct provider *p = &g->config->providers[i];
        struct endpoint *e = &g->endpoints[i];
        *e = (struct endpoint){.name = p->name, .max_connections = p->max_connections};
        if (is_played(g, p)) {
            e->base_url = g->options->sim_url;
        } else {
            e->base_url = p->base_url;
            e->proxy = p->proxy;
            e->ca_file = p->ca_file;
            e->is_private = p->is_private;
        }
        open_keyring(&g->keyrings[i], p, !is_played(g, p));
    }
}

/* The first key of the provider that can be used, or cannot; -1: none. */
static int find_key(const struct generation *g, const struct provider *p, bool is_usable)
{
    const struct keyring *ring = &g->keyrings[p - g->config->providers];
    for (int i = 0; i < ring->count; i++)
        if ((ring->keys[i].fields != NULL) == is_usable)
            return i;
    return -1;
}

static const char *missing(const struct provider *p, const struct secret *s, char *out, size_t size)
{
    snprintf(out, size, s->file ? "provider %s: no key in %s" : "provider %s: %s is not set", p->name, s->file ? s->file : s->env);
    return out;
}

bool generation_key_in_clear(const struct generation *g, const struct provider *p)
{
    struct target t;
    if (is_played(g, p) || p->key_count == 0 || p->is_private || !p->base_url || target_init(&t, &(struct endpoint){.base_url = p->base_url}, NULL) < 0)
        return false;
    bool is_bare = !t.is_tls && !t.is_literal;
    target_clear(&t);
    return is_bare;
}

const char *generation_provider_warning(const struct generation *g, const struct provider *p, char *out, size_t size)
{
    const char *problem = generation_provider_problem(g, p, out, size);
    int i = problem ? -1 : find_key(g, p, false);
    if (i >= 0)
        return missing(p, &p->keys[i], out, size);
    if (problem || !generation_key_in_clear(g, p))
        return problem;
    snprintf(out, size, "provider %s: its key goes out in clear to %.200s; write https://", p->name, p->base_url);
    return out;
}

const char *generation_provider_problem(const struct generation *g, const struct provider *p, char *out, size_t size)
{
    if (is_played(g, p)) {
        if (g->options->sim_url)
            return NULL;
        snprintf(out, size, "provider %s: no simulator runs; start wye with --demo", p->name);
        return out;
    }
    const struct keyring *ring = &g->keyrings[p - g->config->providers];
    if (find_key(g, p, true) < 0)
        return missing(p, &p->keys[0], out, size);
    if ((p->secret.env || p->secret.file) && ring->secret == NULL)
        return missing(p, &p->secret, out, size);
    if ((p->session.env || p->session.file) && ring->session == NULL)
        return missing(p, &p->session, out, size);
    return NULL;
}

static int load_config(struct generation *g, struct err *err)
{
    struct str source = manifest_read(g->files, "wye.lua", err);
    if (source.p == NULL || vm_run_file(g->vm, "wye.lua", err) < 0)
        return -1;
    char label[512];
    snprintf(label, sizeof label, "%s/wye.lua", manifest_label(g->files));
    g->config = config_read(g->vm, source, label, err);
    if (g->config == NULL)
        return -1;
    g->vm->limits.script_ms = g->config->limits.script_ms;
    g->vm->limits.memory = (size_t)g->config->limits.script_mb << 20;
    open_endpoints(g);
    return 0;
}

static int take_function(lua_State *L, int *ref)
{
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        *ref = LUA_NOREF;
        return 0;
    }
    bool is_function = lua_isfunction(L, -1);
    *ref = is_function ? luaL_ref(L, LUA_REGISTRYINDEX) : LUA_NOREF;
    if (!is_function)
        lua_pop(L, 1);
    return is_function ? 0 : -1;
}

/* A route file returns its function, or { route = fn, after = fn }. */
static int take_route(struct generation *g, struct route *r, struct err *err)
{
    lua_State *L = g->vm->L;
    r->after_ref = LUA_NOREF;
    bool is_valid;
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "route");
        lua_rawget(L, -2);
        is_valid = take_function(L, &r->ref) == 0 && r->ref != LUA_NOREF;
        lua_pushliteral(L, "after");
        lua_rawget(L, -2);
        is_valid = take_function(L, &r->after_ref) == 0 && is_valid;
        lua_pop(L, 1);
    } else {
        is_valid = !lua_isnil(L, -1) && take_function(L, &r->ref) == 0;
    }
    if (is_valid)
        return 0;
    return err_set(err, ERR_SCRIPT,
                   "%s/%s:1: a route file must return its function, or { route = fn, after = fn }",
                   manifest_label(g->files), r->path);
}

static int load_routes(struct generation *g, struct err *err)
{
    const char *const *paths;
    int count = manifest_routes(g->files, &paths);
    g->routes = xcalloc((size_t)count + 1, sizeof *g->routes);
    for (int i = 0; i < count; i++) {
        struct route *r = &g->routes[i];
        r->path = paths[i];
        r->name = xstrndup(r->path, strlen(r->path) - strlen(".lua"));
        r->ref = r->after_ref = LUA_NOREF;
        g->route_count = i + 1;
        if (vm_run_file(g->vm, r->path, err) < 0 || take_route(g, r, err) < 0)
            return -1;
    }
    return 0;
}

/* wye/NAME and aliases must lead somewhere. */
static int check_aliases(struct generation *g, struct err *err)
{
    for (int i = 0; i < g->config->alias_count; i++) {
        const struct alias *a = &g->config->aliases[i];
        if (config_model(g->config, a->target))
            continue;
        if (strncmp(a->target, "wye/", 4) == 0 && generation_route(g, str_of(a->target + 4)))
            continue;
        const struct where_step path[] = {{"aliases", 0}, {a->name, 0}};
        struct err unread;
        int line = where_line(manifest_read(g->files, "wye.lua", &unread), path, 2);
        return err_set(err, ERR_BAD_REQUEST, "%s/wye.lua:%d: aliases: '%s' leads to '%s', which is no route and no model",
                       manifest_label(g->files), line, a->name, a->target);
    }
    return 0;
}

static void generation_free(struct generation *g)
{
    for (int i = 0; g->keyrings && i < g->config->provider_count; i++)
        close_keyring(&g->keyrings[i]);
    for (int i = 0; i < g->route_count; i++)
        free((char *)g->routes[i].name);
    free(g->keyrings);
    free(g->endpoints);
    free(g->health);
    free(g->routes);
    if (g->vm)
        vm_free(g->vm);
    config_free(g->config);
    manifest_free(g->files);
    free(g);
}

static struct generation *load(unsigned id, struct manifest *files, const struct generation_options *options, bool has_routes, struct err *err)
{
    struct generation *g = xcalloc(1, sizeof *g);
    g->id = id;
    g->files = files;
    g->options = options;
    g->holds = 1;
    g->vm = vm_new(&LOAD_LIMITS, files, err);
    if (g->vm && options->open(g->vm, g, err) == 0 && load_config(g, err) == 0 &&
        (!has_routes || (load_routes(g, err) == 0 && check_aliases(g, err) == 0))) {
        snprintf(g->hash, sizeof g->hash, "%s", manifest_hash(g->files));
        return g;
    }
    generation_free(g);
    return NULL;
}

struct generation *generation_load(unsigned id, struct manifest *files, const struct generation_options *options, struct err *err)
{
    return load(id, files, options, true, err);
}

struct generation *generation_load_config(unsigned id, struct manifest *files, const struct generation_options *options, struct err *err)
{
    return load(id, files, options, false, err);
}

struct generation *generation_hold(struct generation *g)
{
    g->holds++;
    return g;
}

void generation_release(struct generation *g)
{
    if (--g->holds == 0)
        generation_free(g);
}

const struct route *generation_route(const struct generation *g, struct str name)
{
    for (int i = 0; i < g->route_count; i++)
        if (str_eq(name, g->routes[i].name))
            return &g->routes[i];
    return NULL;
}
