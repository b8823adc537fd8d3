#include "vm/entries.h"

#include "base/json.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "vm/prices.h"

enum { MOST_PROVIDERS = 256, MOST_MODELS = 4096, HIGHEST_PRICE = 10000, DEFAULT_CONNECTIONS = 256 };

#define ROWS(table) (table), (int)(sizeof(table) / sizeof *(table))

static const char *const BASE_URLS[] = {
    "https://api.openai.com/v1",
    "https://api.anthropic.com",
    "https://generativelanguage.googleapis.com/v1beta",
    NULL,
    NULL,
    NULL,
};
enum { KIND_MISSING = PROVIDER_KINDS };

static int read_env_name(struct settings *s, void *field, const struct setting *row)
{
    if (settings_text(s, field, row) < 0)
        return -1;
    const char *name = *(const char **)field;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return settings_fail(s, "'%.40s' is no name of an environment variable", name);
    return 0;
}

int entries_secret(struct settings *s, void *field, const struct setting *row)
{
    static const struct setting SECRET[] = {
        {"env", read_env_name, offsetof(struct secret, env), 0, 0, NULL},
        {"file", settings_text, offsetof(struct secret, file), 0, 0, NULL},
    };
    (void)row;
    if (lua_type(s->L, -1) == LUA_TSTRING)
        return settings_fail(s,
                             ENTRIES_SECRET_WRITTEN_OUT "; write { env = \"NAME\" } or "
                             "{ file = \"PATH\" }");
    struct secret secret = {0};
    if (settings_read(s, ROWS(SECRET), &secret) < 0)
        return -1;
    if ((secret.env == NULL) == (secret.file == NULL))
        return settings_fail(s, "give one of env and file");
    const char **pair = field;
    pair[0] = secret.env;
    pair[1] = secret.file;
    return 0;
}

static int add_key(struct settings *s, int index, void *arg)
{
    struct provider *p = arg;
    p->key_count = index;
    return entries_secret(s, &p->keys[index - 1], NULL);
}

/* `key` is one, `keys` a list; a provider has one or the other. */
static int make_room(struct settings *s, struct provider *p, int count)
{
    if (p->keys)
        return settings_fail(s, "give one of key and keys");
    p->keys = arena_alloc(s->arena, (size_t)count * sizeof *p->keys);
    return p->keys ? 0 : settings_fail(s, "the configuration is too large");
}

static int read_key(struct settings *s, void *field, const struct setting *row)
{
    (void)row;
    return make_room(s, field, 1) < 0 ? -1 : add_key(s, 1, field);
}

static int read_keys(struct settings *s, void *field, const struct setting *row)
{
    struct provider *p = field;
    (void)row;
    if (make_room(s, p, CONFIG_MOST_KEYS) < 0 || settings_each_item(s, CONFIG_MOST_KEYS, add_key, p) < 0)
        return -1;
    return p->key_count > 0 ? 0 : settings_fail(s, "names no key; write { { env = \"NAME\" }, … }");
}

static int read_kind(struct settings *s, void *field, const struct setting *row)
{
    const char *name;
    if (settings_text(s, &name, row) < 0)
        return -1;
    for (int i = 0; i < PROVIDER_KINDS; i++) {
        if (strcmp(CONFIG_KINDS[i], name) == 0) {
            *(enum provider_kind *)field = (enum provider_kind)i;
            return 0;
        }
    }
    char hint[160];
    return settings_fail(s, "unknown kind '%.40s'%s", name,
                         settings_suggest(name, CONFIG_KINDS, PROVIDER_KINDS, true, hint, sizeof hint));
}

/* scheme://host[:port][/path], nothing that could smuggle: no blanks, user, query or fragment. */
static int check_url(struct settings *s, const char *url, const char *const *schemes, int count)
{
    const char *host = NULL;
    for (int i = 0; i < count && host == NULL; i++)
        if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
            host = url + strlen(schemes[i]);
    if (host == NULL)
        return settings_fail(s, "'%.80s' does not begin with %s or %s", url, schemes[0],
                             schemes[count - 1]);
    if (strcspn(host, "/:?#") == 0)
        return settings_fail(s, "'%.80s' names no host", url);
    if (host[strcspn(host, "?#@ \\\"<>")] != '\0')
        return settings_fail(
            s, "'%.80s' has a query, a fragment, a user or a blank; a base URL has none", url);
    return 0;
}

int entries_base_url(struct settings *s, void *field, const struct setting *row)
{
    static const char *const SCHEMES[] = {"https://", "http://"};
    if (settings_text(s, field, row) < 0)
        return -1;
    return check_url(s, *(const char **)field, SCHEMES, 2);
}

static int read_traceparent(struct settings *s, void *field, const struct setting *row)
{
    bool is_told;
    if (settings_bool(s, &is_told, row) < 0)
        return -1;
    *(bool *)field = !is_told;
    return 0;
}

int entries_proxy(struct settings *s, void *field, const struct setting *row)
{
    static const char *const SCHEMES[] = {"http://",    "https://",   "socks4://",
                                          "socks4a://", "socks5h://", "socks5://"};
    if (settings_text(s, field, row) < 0)
        return -1;
    const char *url = *(const char **)field;
    for (int i = 0; i < 6; i++)
        if (strncasecmp(url, SCHEMES[i], strlen(SCHEMES[i])) == 0 &&
            url[strlen(SCHEMES[i])] != '\0')
            return 0;
    return settings_fail(
        s, "'%.80s' is no proxy; write \"http://HOST:PORT\" or \"socks5h://HOST:PORT\"", url);
}

static int check_provider_name(struct settings *s, const char *name)
{
    if (strcmp(name, "wye") == 0)
        return settings_fail(s, "the name 'wye' is taken: clients name routes by it");
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
            return settings_fail(s, "a provider's name has letters, digits, '-', '_' and '.'");
    return 0;
}

static bool is_new_azure(const char *url)
{
    size_t len = strcspn(url, "?"), end = strlen("/openai/v1");
    while (len && url[len - 1] == '/')
        len--;
    return len >= end && memcmp(url + len - end, "/openai/v1", end) == 0;
}

/* Parts of an address or a header's value: nothing that could end them. */
static bool is_word(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] == '\0';
}

/* Options that only some kinds have. */
static int check_own_options(struct settings *s, struct provider *p)
{
    bool is_bedrock = p->kind == KIND_BEDROCK, has_secret = p->secret.env || p->secret.file;
    if (!is_bedrock && (has_secret || p->session.env || p->session.file || p->region))
        return settings_fail(s, "secret, session and region are options of kind 'bedrock'");
    if (is_bedrock && p->region == NULL)
        return settings_fail(s, "region is missing; kind 'bedrock' signs for one, such as \"us-east-1\"");
    if (is_bedrock && p->key_count == 0)
        return settings_fail(s, "key is missing: { env = \"AWS_ACCESS_KEY_ID\" } beside secret, or { env = \"AWS_BEARER_TOKEN_BEDROCK\" } alone");
    if (p->api_version && p->kind != KIND_AZURE)
        return settings_fail(s, "api_version is an option of kind 'azure'");
    if (p->responses >= 0 && p->kind != KIND_OPENAI && p->kind != KIND_AZURE)
        return settings_fail(s, "responses is an option of the kinds 'openai' and 'azure'");
    if ((p->region && !is_word(p->region)) || (p->api_version && !is_word(p->api_version)))
        return settings_fail(s, "region and api_version have letters, digits, '-', '.' and '_'");
    if (p->kind == KIND_AZURE && p->api_version == NULL && p->base_url && !is_new_azure(p->base_url))
        return settings_fail(s, "api_version is missing; or let base_url end in /openai/v1");
    return 0;
}

static int check_provider(struct settings *s, struct provider *p)
{
    if (p->kind == KIND_SIM && p->base_url)
        return settings_fail(
            s, "a provider of kind 'sim' has no base_url; for a simulator elsewhere write "
               "kind = \"openai\" and its base_url");
    if (check_own_options(s, p) < 0)
        return -1;
    if (p->base_url == NULL && p->region)
        p->base_url = arena_join(s->arena, "https://bedrock-runtime.", p->region, ".amazonaws.com", (char *)NULL).p;
    if (p->base_url == NULL)
        p->base_url = BASE_URLS[p->kind];
    if (p->base_url == NULL && p->kind != KIND_SIM)
        return settings_fail(s, "base_url is missing; kind '%s' has no default", CONFIG_KINDS[p->kind]);
    return 0;
}

static int read_provider(struct settings *s, const char *name, void *arg)
{
    static const struct setting PROVIDER[] = {
        {"kind", read_kind, offsetof(struct provider, kind), 0, 0, NULL},
        {"base_url", entries_base_url, offsetof(struct provider, base_url), 0, 0, NULL},
        {"key", read_key, 0, 0, 0, NULL},
        {"keys", read_keys, 0, 0, 0, NULL},
        {"max_connections", settings_unsigned, offsetof(struct provider, max_connections), 1, 65536,
         NULL},
        {"secret", entries_secret, offsetof(struct provider, secret), 0, 0, NULL},
        {"session", entries_secret, offsetof(struct provider, session), 0, 0, NULL},
        {"region", settings_text, offsetof(struct provider, region), 0, 0, NULL},
        {"api_version", settings_text, offsetof(struct provider, api_version), 0, 0, NULL},
        {"responses", settings_yes_no, offsetof(struct provider, responses), 0, 0, NULL},
        {"private", settings_bool, offsetof(struct provider, is_private), 0, 0, NULL},
        {"traceparent", read_traceparent, offsetof(struct provider, no_traceparent), 0, 0, NULL},
        {"proxy", entries_proxy, offsetof(struct provider, proxy), 0, 0, NULL},
        {"ca", settings_text, offsetof(struct provider, ca_file), 0, 0, NULL},
    };
    struct config *c = arg;
    if (check_provider_name(s, name) < 0)
        return -1;
    struct provider *p = &c->providers[c->provider_count++];
    *p = (struct provider){.kind = (enum provider_kind)KIND_MISSING,
                           .responses = -1,
                           .max_connections = DEFAULT_CONNECTIONS};
    p->name = arena_strdup(&c->arena, name);
    if (p->name == NULL)
        return settings_fail(s, "the configuration is too large");
    if (settings_read(s, ROWS(PROVIDER), p) < 0)
        return -1;
    if (p->kind == (enum provider_kind)KIND_MISSING)
        return settings_fail(
            s, "kind is missing (one of openai, anthropic, gemini, azure, bedrock, sim)");
    return check_provider(s, p);
}

/* Providers and models both begin with what they are sorted by. */
static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const struct provider *find_provider(const struct config *c, const char *name, size_t len)
{
    for (int i = 0; i < c->provider_count; i++)
        if (strlen(c->providers[i].name) == len && memcmp(c->providers[i].name, name, len) == 0)
            return &c->providers[i];
    return NULL;
}

/* How many entries the table on top has. */
static int count_entries(struct settings *s)
{
    int count = 0;
    if (lua_type(s->L, -1) == LUA_TTABLE)
        for (lua_pushnil(s->L); lua_next(s->L, -2); lua_pop(s->L, 1))
            count++;
    return count;
}

int entries_providers(struct settings *s, struct config *c)
{
    bool is_given = settings_enter(s, "providers");
    int count = is_given ? count_entries(s) : 0;
    if (count > MOST_PROVIDERS)
        return settings_fail(s, "more than %d entries", MOST_PROVIDERS);
    c->providers = arena_alloc(s->arena, (size_t)(count + 1) * sizeof *c->providers);
    if (is_given) {
        if (settings_each(s, read_provider, c) < 0)
            return -1;
        settings_leave(s);
    }
    if (find_provider(c, "sim", 3) == NULL)
        c->providers[c->provider_count++] = (struct provider){
            .name = "sim", .kind = KIND_SIM, .max_connections = DEFAULT_CONNECTIONS};
    qsort(c->providers, (size_t)c->provider_count, sizeof *c->providers, by_name);
    return 0;
}

static int read_price(struct settings *s, void *field, const struct setting *row)
{
#define PRICE(name, bucket)                                                                        \
    {                                                                                              \
        name, settings_number, (bucket) * sizeof(double), 0, HIGHEST_PRICE,                        \
            "(US dollars per million tokens)"                                                      \
    }
    static const struct setting BUCKETS[] = {
        PRICE("input", PRICE_INPUT),
        PRICE("cache_read", PRICE_CACHE_READ),
        PRICE("cache_write", PRICE_CACHE_WRITE),
        PRICE("output", PRICE_OUTPUT),
        PRICE("reasoning", PRICE_REASONING),
    };
#undef PRICE
    (void)row;
    struct model *m = field;
    for (int i = 0; i < PRICE_BUCKETS; i++)
        m->price[i] = -1;
    if (settings_read(s, ROWS(BUCKETS), m->price) < 0)
        return -1;
    if (m->price[PRICE_INPUT] < 0 || m->price[PRICE_OUTPUT] < 0)
        return settings_fail(s, "needs input and output");
    for (int i = 0; i < PRICE_BUCKETS; i++)
        if (m->price[i] < 0)
            m->price[i] = m->price[i == PRICE_REASONING ? PRICE_OUTPUT : PRICE_INPUT];
    m->has_price = true;
    return 0;
}

/* "provider/id", where the id may have slashes of its own. */
static int find_model_provider(struct settings *s, const struct config *c, struct model *m)
{
    const char *slash = strchr(m->id, '/');
    if (slash == NULL || slash == m->id || slash[1] == '\0')
        return settings_fail(s, "a model is named \"provider/id\"");
    if (m->id[strcspn(m->id, " \t\r\n\"\\")] != '\0')
        return settings_fail(s, "a model's name has no blanks, quotes or backslashes");
    m->provider = find_provider(c, m->id, (size_t)(slash - m->id));
    if (m->provider)
        return 0;
    const char *names[MOST_PROVIDERS + 1];
    for (int i = 0; i < c->provider_count; i++)
        names[i] = c->providers[i].name;
    char wrong[64], hint[160];
    snprintf(wrong, sizeof wrong, "%.*s", (int)(slash - m->id), m->id);
    return settings_fail(
        s, "unknown provider '%s'%s", wrong,
        settings_suggest(wrong, names, c->provider_count, true, hint, sizeof hint));
}

static int read_model(struct settings *s, const char *id, void *arg)
{
    static const struct setting MODEL[] = {
        {"name", settings_text, offsetof(struct model, name), 0, 0, NULL},
        {"price", read_price, 0, 0, 0, NULL},
        {"context", settings_unsigned, offsetof(struct model, context), 1, 1e8, "(tokens)"},
        {"tools", settings_yes_no, offsetof(struct model, tools), 0, 0, NULL},
        {"vision", settings_yes_no, offsetof(struct model, vision), 0, 0, NULL},
        {"structured", settings_yes_no, offsetof(struct model, structured), 0, 0, NULL},
    };
    struct config *c = arg;
    struct model *m = &c->models[c->model_count++];
    *m = (struct model){
        .id = arena_strdup(s->arena, id), .tools = -1, .vision = -1, .structured = -1};
    if (m->id == NULL)
        return settings_fail(s, "the configuration is too large");
    if (find_model_provider(s, c, m) < 0 || settings_read(s, ROWS(MODEL), m) < 0)
        return -1;
    if (m->name == NULL)
        m->name = strchr(m->id, '/') + 1;
    prices_fill(m);
    return 0;
}

static void add_simulated(struct config *c, const char *id)
{
    const struct provider *sim = find_provider(c, "sim", 3);
    for (int i = 0; i < c->model_count; i++)
        if (strcmp(c->models[i].id, id) == 0)
            return;
    if (sim->kind == KIND_SIM)
        c->models[c->model_count++] = (struct model){.id = id,
                                                     .name = strchr(id, '/') + 1,
                                                     .provider = sim,
                                                     .is_implied = true,
                                                     .tools = 1,
                                                     .vision = 1,
                                                     .structured = 1};
}

/* What requests are spliced with, quoted once. */
static void quote_names(struct settings *s, struct config *c)
{
    struct buf out = BUF(8 * SETTINGS_LONGEST);
    for (int i = 0; i < c->model_count; i++) {
        buf_reset(&out);
        json_quote(&out, str_of(c->models[i].name));
        c->models[i].quoted = arena_str(s->arena, buf_str(&out));
    }
    buf_clear(&out);
}

int entries_models(struct settings *s, struct config *c)
{
    if (!settings_enter(s, "models"))
        return settings_fail(s, "models is missing: { models = { [\"provider/id\"] = { … } } }");
    int count = count_entries(s);
    if (count > MOST_MODELS)
        return settings_fail(s, "more than %d entries", MOST_MODELS);
    c->models = arena_alloc(s->arena, (size_t)(count + 2) * sizeof *c->models);
    if (settings_each(s, read_model, c) < 0)
        return -1;
    settings_leave(s);
    add_simulated(c, "sim/fast");
    add_simulated(c, "sim/smart");
    qsort(c->models, (size_t)c->model_count, sizeof *c->models, by_name);
    quote_names(s, c);
    return 0;
}
