#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>

#include "vm/config.h"
#include "vm/state.h"

static struct vm vm;
static struct err err;

static struct config *read_source(const char *source)
{
    err = (struct err){0};
    int before = lua_gettop(vm.L);
    if (luaL_dostring(vm.L, source) != 0)
        fail_msg("%s", lua_tostring(vm.L, -1));
    lua_settop(vm.L, before + 1);
    struct config *c = config_read(&vm, str_of(source), "routes/wye.lua", &err);
    assert_int_equal(lua_gettop(vm.L), before);
    return c;
}

static struct config *good(const char *source)
{
    struct config *c = read_source(source);
    if (c == NULL)
        fail_msg("refused: %s", err.message);
    return c;
}

static int open_vm(void **state)
{
    (void)state;
    vm = (struct vm){.L = luaL_newstate()};
    luaL_openlibs(vm.L);
    return 0;
}

static int close_vm(void **state)
{
    (void)state;
    lua_close(vm.L);
    return 0;
}

static const char FULL[] =
    "-- a comment with return { in it\n"
    "return {\n"
    "  providers = {\n"
    "    openai = { kind = 'openai', key = { env = 'OPENAI_API_KEY' }, max_connections = 8 },\n"
    "    anthropic = { kind = 'anthropic', keys = { { env = 'A_KEY' }, { file = '/run/secrets/anthropic' } } },\n"
    "    google = { kind = 'gemini' },\n"
    "    ['local'] = { kind = 'openai', base_url = 'http://127.0.0.1:8000/v1', private = true,\n"
    "                  proxy = 'socks5h://127.0.0.1:1080', ca = 'ca.pem' },\n"
    "  },\n"
    "  models = {\n"
    "    ['openai/mini'] = { name = 'gpt-5-mini', price = { input = 1, cache_read = 0.5, output = "
    "2 },\n"
    "                        context = 1000, tools = true, vision = false, structured = true },\n"
    "    ['openai/gpt-5-nano'] = {},\n"
    "    ['anthropic/opus'] = { name = 'claude-opus-4-5' },\n"
    "    ['local/8b'] = { name = 'llama-3.1-8b' },\n"
    "    ['google/own'] = { name = 'tuned-by-us' },\n"
    "    ['sim/slow'] = {},\n"
    "  },\n"
    "  aliases = { ['gpt-4o'] = 'wye/route', small = 'openai/mini' },\n"
    "  default = 'openai/mini',\n"
    "  direct = true,\n"
    "  limits = { body = '512KB', concurrent = 10, in_flight_mb = 3, adaptive = true, script_ms = 20, script_mb = 16, kv_mb = 3, cache_mb = 0, shadow_usd = 2.5 },\n"
    "  capture = { share = 0.01, mask = { '/messages/*/content', '/a~1b' } },\n"
    "  admin = { token = { env = 'WYE_ADMIN_TOKEN' } },\n"
    "}\n";

static void test_everything_is_read(void **state)
{
    (void)state;
    struct config *c = good(FULL);
    assert_int_equal(c->provider_count, 5);
    const struct model *mini = config_model(c, "openai/mini");
    assert_non_null(mini);
    assert_string_equal(mini->name, "gpt-5-mini");
    assert_string_equal(mini->provider->name, "openai");
    assert_string_equal(mini->provider->base_url, "https://api.openai.com/v1");
    assert_string_equal(mini->provider->keys[0].env, "OPENAI_API_KEY");
    assert_null(mini->provider->keys[0].file);
    assert_int_equal(mini->provider->max_connections, 8);
    assert_int_equal(mini->context, 1000);
    assert_int_equal(mini->tools, 1);
    assert_int_equal(mini->vision, 0);
    assert_ptr_equal(c->fallback, mini);
    assert_true(c->direct);
    assert_int_equal(c->limits.body, 512 * 1024);
    assert_int_equal(c->limits.concurrent, 10);
    assert_int_equal(c->limits.in_flight_mb, 3);
    assert_true(c->limits.adaptive);
    assert_int_equal(c->limits.script_ms, 20);
    assert_int_equal(c->limits.script_mb, 16);
    assert_int_equal(c->limits.kv_mb, 3);
    assert_true(c->limits.shadow_usd == 2.5);
    assert_int_equal(c->limits.cache_mb, 0);
    assert_true(c->capture.share == 0.01);
    assert_int_equal(c->capture.mask_count, 2);
    assert_string_equal(c->capture.masks[1], "/a~1b");
    assert_string_equal(c->admin.token_env, "WYE_ADMIN_TOKEN");
    assert_int_equal(c->alias_count, 2);
    assert_string_equal(c->aliases[0].name, "gpt-4o");
    assert_string_equal(c->aliases[0].target, "wye/route");
    const struct provider *own = config_model(c, "local/8b")->provider;
    assert_true(own->is_private);
    assert_string_equal(own->proxy, "socks5h://127.0.0.1:1080");
    assert_string_equal(own->ca_file, "ca.pem");
    assert_int_equal(own->max_connections, 256);
    assert_string_equal(config_model(c, "anthropic/opus")->provider->keys[1].file,
                        "/run/secrets/anthropic");
    config_free(c);
}

/* Where each kind is found unless base_url says otherwise. */
static void test_addresses(void **state)
{
    (void)state;
    struct config *c = good("return { providers = { a = { kind = 'anthropic' }, b = { kind = 'bedrock', region = 'eu-west-1', key = { env = 'ID' }, "
                            "secret = { env = 'SECRET' } }, g = { kind = 'gemini' }, o = { kind = 'openai', responses = false },\n"
                            "z = { kind = 'azure', base_url = 'https://h/openai/v1/' } },\n"
                            "models = { ['a/m'] = {}, ['b/m'] = {}, ['g/m'] = {}, ['o/m'] = {}, ['z/m'] = {} } }");
    assert_string_equal(config_model(c, "a/m")->provider->base_url, "https://api.anthropic.com");
    assert_string_equal(config_model(c, "b/m")->provider->base_url, "https://bedrock-runtime.eu-west-1.amazonaws.com");
    assert_string_equal(config_model(c, "b/m")->provider->secret.env, "SECRET");
    assert_string_equal(config_model(c, "g/m")->provider->base_url, "https://generativelanguage.googleapis.com/v1beta");
    assert_int_equal(config_model(c, "o/m")->provider->responses, 0);
    assert_int_equal(config_model(c, "z/m")->provider->responses, -1);
    config_free(c);
}

static void test_prices(void **state)
{
    (void)state;
    struct config *c = good(FULL);
    const struct model *given = config_model(c, "openai/mini");
    assert_true(given->has_price);
    assert_true(given->price[PRICE_CACHE_READ] == 0.5);
    assert_true(given->price[PRICE_CACHE_WRITE] == 1);
    assert_true(given->price[PRICE_REASONING] == 2);
    const struct model *known = config_model(c, "openai/gpt-5-nano");
    assert_string_equal(known->name, "gpt-5-nano");
    assert_true(known->has_price && known->price[PRICE_INPUT] == 0.05 && known->context == 400000);
    const struct model *opus = config_model(c, "anthropic/opus");
    assert_true(opus->price[PRICE_OUTPUT] == 25 && opus->price[PRICE_CACHE_WRITE] == 6.25);
    const struct model *own = config_model(c, "local/8b");
    assert_true(own->has_price && own->price[PRICE_INPUT] == 0 && own->context == 131072);
    const struct model *unknown = config_model(c, "google/own");
    assert_false(unknown->has_price);
    assert_int_equal(unknown->context, 0);
    assert_int_equal(unknown->tools, -1);
    config_free(c);
}

static void test_only_models_are_needed(void **state)
{
    (void)state;
    struct config *c = good("return { models = {} }");
    assert_int_equal(c->provider_count, 1);
    assert_int_equal(c->model_count, 2);
    assert_true(config_model(c, "sim/fast")->is_implied);
    assert_int_equal(config_model(c, "sim/smart")->provider->kind, KIND_SIM);
    assert_null(config_model(c, "sim/fast")->provider->base_url);
    assert_null(c->fallback);
    assert_false(c->direct);
    assert_int_equal(c->limits.body, 32 << 20);
    assert_int_equal(c->limits.concurrent, 4096);
    assert_int_equal(c->limits.in_flight_mb, 512);
    assert_false(c->limits.adaptive);
    assert_int_equal(c->limits.script_ms, 50);
    assert_int_equal(c->limits.script_mb, 32);
    assert_int_equal(c->limits.kv_mb, 8);
    assert_true(c->limits.shadow_usd == 10);
    assert_int_equal(c->limits.cache_mb, 64);
    assert_true(c->capture.share == -1);
    config_free(c);
}

static void test_a_provider_called_sim_may_be_something_else(void **state)
{
    (void)state;
    struct config *c = good(
        "return { providers = { sim = { kind = 'openai', base_url = 'http://127.0.0.1:1/v1' } },\n"
        "models = { ['sim/fast'] = {} }, default = 'sim/fast' }");
    assert_int_equal(c->model_count, 1);
    assert_false(c->fallback->is_implied);
    config_free(c);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *written;
        size_t bytes;
    } sizes[] = {{"2048", 2048}, {"'1KB'", 1024}, {"'1.5MB'", 1536 * 1024}, {"'1gb'", 1 << 30}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char source[128];
        snprintf(source, sizeof source, "return { models = {}, limits = { body = %s } }",
                 sizes[i].written);
        struct config *c = good(source);
        assert_int_equal(c->limits.body, sizes[i].bytes);
        config_free(c);
    }
}

static void test_near_models(void **state)
{
    (void)state;
    struct config *c =
        good("return { providers = { openai = { kind = 'openai' }, b = { kind = 'openai' } },\n"
             "models = { ['openai/gpt-5'] = {}, ['openai/gpt-5.1'] = {}, ['b/other'] = {} } }");
    const char *near[3];
    assert_int_equal(config_near_models(c, "openai/gtp-5", near, 3), 2);
    assert_string_equal(near[0], "openai/gpt-5");
    assert_string_equal(near[1], "openai/gpt-5.1");
    assert_int_equal(config_near_models(c, "openai/gpt-5.2", near, 1), 1);
    assert_string_equal(near[0], "openai/gpt-5.1");
    assert_int_equal(config_near_models(c, "gpt-5", near, 3), 2);
    assert_int_equal(config_near_models(c, "claude", near, 3), 0);
    assert_int_equal(config_near_models(c, "openai/gpt-5", near, 0), 0);
    config_free(c);
}

/* PROVIDER(x): a project whose line 2 holds the provider `p`; MODEL(x): whose line 3 holds the model `p/m`. */
#define PROVIDER(text) "return { models = {}, providers = {\np = {" text "} } }"
#define MODEL(text)                                                                                \
    "return { providers = { p = { kind = 'openai' } }, models = {\n\n['p/m'] = {" text "} } }"
#define REST(text)                                                                                 \
    "return { providers = { p = { kind = 'openai' } }, models = { ['p/m'] = {} },\n" text "\n}"

static const struct {
    const char *source, *message;
} REFUSED[] = {
    {"return 5", "1: the file must return a table, not number"},
    {"\n\nreturn nil", "3: the file must return a table, not nil"},
    {"\nreturn {}", "2: models is missing: { models = { [\"provider/id\"] = { … } } }"},
    {"return { models = 3 }", "1: models: expected a table, got number"},
    {"return {\n models = {},\n provders = {} }",
     "3: unknown key 'provders' (did you mean 'providers'?)"},
    {"return { models = {},\n zzz = 1 }", "2: unknown key 'zzz' (known: providers, models, "
                                          "aliases, default, direct, limits, capture, admin, otlp)"},
    {"return { models = {}, 'x' }", "1: an item without a name; entries are written name = value"},
    {"return { models = {}, [true] = 1 }", "1: a key is a boolean; names are strings"},
    {PROVIDER("kind = 'openai',\n base_ulr = 'https://x'"),
     "3: providers.p: unknown key 'base_ulr' (did you mean 'base_url'?)"},
    {PROVIDER(""),
     "2: providers.p: kind is missing (one of openai, anthropic, gemini, azure, bedrock, sim)"},
    {PROVIDER("kind = 'opena'"),
     "2: providers.p.kind: unknown kind 'opena' (did you mean 'openai'?)"},
    {PROVIDER("kind = 'cohere'"), "2: providers.p.kind: unknown kind 'cohere' (known: openai, "
                                  "anthropic, gemini, azure, bedrock, sim)"},
    {PROVIDER("kind = 7"), "2: providers.p.kind: expected a string, got number"},
    {PROVIDER("kind = 'azure'"),
     "2: providers.p: base_url is missing; kind 'azure' has no default"},
    {PROVIDER("kind = 'azure', base_url = 'https://h'"), "2: providers.p: api_version is missing; or let base_url end in /openai/v1"},
    {PROVIDER("kind = 'azure', base_url = 'https://h', api_version = 'a&b'"),
     "2: providers.p: region and api_version have letters, digits, '-', '.' and '_'"},
    {PROVIDER("kind = 'openai', api_version = '1'"), "2: providers.p: api_version is an option of kind 'azure'"},
    {PROVIDER("kind = 'openai', region = 'r'"), "2: providers.p: secret, session and region are options of kind 'bedrock'"},
    {PROVIDER("kind = 'gemini', responses = false"), "2: providers.p: responses is an option of the kinds 'openai' and 'azure'"},
    {PROVIDER("kind = 'bedrock'"), "2: providers.p: region is missing; kind 'bedrock' signs for one, such as \"us-east-1\""},
    {PROVIDER("kind = 'bedrock', region = 'r'"),
     "2: providers.p: key is missing: { env = \"AWS_ACCESS_KEY_ID\" } beside secret, or { env = \"AWS_BEARER_TOKEN_BEDROCK\" } alone"},
    {PROVIDER("kind = 'sim', base_url = 'http://h'"),
     "2: providers.p: a provider of kind 'sim' has no base_url; for a simulator elsewhere write "
     "kind = \"openai\" and "
     "its base_url"},
    {PROVIDER("kind = 'openai', base_url = 'api.x.com'"),
     "2: providers.p.base_url: 'api.x.com' does not begin with https:// or http://"},
    {PROVIDER("kind = 'openai', base_url = 'https:///v1'"),
     "2: providers.p.base_url: 'https:///v1' names no host"},
    {PROVIDER("kind = 'openai', base_url = 'https://u:p@h/v1'"),
     "2: providers.p.base_url: 'https://u:p@h/v1' has a query, a fragment, a user or a blank; a "
     "base URL has none"},
    {PROVIDER("kind = 'openai', base_url = 'https://h/v1?x'"),
     "2: providers.p.base_url: 'https://h/v1?x' has a query, a fragment, a user or a blank; a base "
     "URL has none"},
    {PROVIDER("kind = 'openai', base_url = ''"), "2: providers.p.base_url: is empty"},
    {PROVIDER("kind = 'openai', base_url = 'https://h\\n'"),
     "2: providers.p.base_url: has a control character"},
    {PROVIDER("kind = 'openai', base_url = 'https://h' .. ('x'):rep(5000)"),
     "2: providers.p.base_url: is longer than 4096 bytes"},
    {PROVIDER("kind = 'openai', key = 'sk-1'"),
     "2: providers.p.key: a secret does not belong in the source; write { env = \"NAME\" } or { "
     "file = \"PATH\" }"},
    {PROVIDER("kind = 'openai',\n key = {}"), "3: providers.p.key: give one of env and file"},
    {PROVIDER("kind = 'openai', key = { env = 'A', file = 'b' }"),
     "2: providers.p.key: give one of env and file"},
    {PROVIDER("kind = 'openai', key = { env = 'A B' }"),
     "2: providers.p.key.env: 'A B' is no name of an environment variable"},
    {PROVIDER("kind = 'openai', keys = {}"), "2: providers.p.keys: names no key; write { { env = \"NAME\" }, … }"},
    {PROVIDER("kind = 'openai', keys = { { env = 'A' }, { envy = 'B' } }"),
     "2: providers.p.keys[2]: unknown key 'envy' (did you mean 'env'?)"},
    {PROVIDER("kind = 'openai', keys = { { env = 'A' }, 'sk-2' }"),
     "2: providers.p.keys[2]: a secret does not belong in the source; write { env = \"NAME\" } or { "
     "file = \"PATH\" }"},
    {PROVIDER("kind = 'openai', key = { evn = 'A' }"),
     "2: providers.p.key: unknown key 'evn' (did you mean 'env'?)"},
    {PROVIDER("kind = 'openai', max_connections = 0"),
     "2: providers.p.max_connections: 0 is not from 1 to 65536"},
    {PROVIDER("kind = 'openai', max_connections = 1.5"),
     "2: providers.p.max_connections: 1.5 is not a whole number"},
    {PROVIDER("kind = 'openai', max_connections = '8'"),
     "2: providers.p.max_connections: expected a number, got string"},
    {PROVIDER("kind = 'openai', private = 1"),
     "2: providers.p.private: expected true or false, got number"},
    {PROVIDER("kind = 'openai', proxy = '127.0.0.1:8080'"),
     "2: providers.p.proxy: '127.0.0.1:8080' is no proxy; write \"http://HOST:PORT\" or "
     "\"socks5h://HOST:PORT\""},
    {"return { models = {}, providers = {\n wye = { kind = 'openai' } } }",
     "2: providers.wye: the name 'wye' is taken: clients name routes by it"},
    {"return { models = {}, providers = {\n ['a b'] = { kind = 'openai' } } }",
     "2: providers[\"a b\"]: a provider's name has letters, digits, '-', '_' and '.'"},
    {"return { models = {}, providers = { 'openai' } }",
     "1: providers: an item without a name; entries are written name = value"},
    {MODEL("nmae = 'x'"), "3: models[\"p/m\"]: unknown key 'nmae' (did you mean 'name'?)"},
    {MODEL("price = { input = -1, output = 2 }"),
     "3: models[\"p/m\"].price.input: -1 is not from 0 to 10000 (US dollars per million tokens)"},
    {MODEL("price = {\n input = 0/0, output = 2 }"),
     "4: models[\"p/m\"].price.input: is not a number"},
    {MODEL("price = { input = 1, output = 1e300 }"),
     "3: models[\"p/m\"].price.output: 1e+300 is not from 0 to 10000 (US dollars per million "
     "tokens)"},
    {MODEL("price = { input = 1, output = math.huge }"),
     "3: models[\"p/m\"].price.output: inf is not from 0 to 10000 (US dollars per million tokens)"},
    {MODEL("price = { input = 1 }"), "3: models[\"p/m\"].price: needs input and output"},
    {MODEL("price = { input = 1, output = 1, ouput = 2 }"),
     "3: models[\"p/m\"].price: unknown key 'ouput' (did you mean 'output'?)"},
    {MODEL("price = 3"), "3: models[\"p/m\"].price: expected a table, got number"},
    {MODEL("context = 0"), "3: models[\"p/m\"].context: 0 is not from 1 to 100000000 (tokens)"},
    {MODEL("tools = 'yes'"), "3: models[\"p/m\"].tools: expected true or false, got string"},
    {"return { models = {\n['opnai/x'] = {} }, providers = { openai = { kind = 'openai' } } }",
     "2: models[\"opnai/x\"]: unknown provider 'opnai' (did you mean 'openai'?)"},
    {"return { models = {\n['acme/x'] = {} } }",
     "2: models[\"acme/x\"]: unknown provider 'acme' (known: sim)"},
    {"return { models = {\nmini = {} } }", "2: models.mini: a model is named \"provider/id\""},
    {"return { models = {\n['sim/'] = {} } }",
     "2: models[\"sim/\"]: a model is named \"provider/id\""},
    {"return { models = {\n['sim/a b'] = {} } }",
     "2: models[\"sim/a b\"]: a model's name has no blanks, quotes or backslashes"},
    {"return { models = {\n['sim/x'] = {},\n['sim/x'] = { context = 5 } } }",
     "3: key 'sim/x' is given twice, first on line 2"},
    {REST("aliases = { a = 'route' }"),
     "2: aliases.a: 'route' is neither \"wye/ROUTE\" nor \"provider/id\""},
    {REST("aliases = { a = 'p/n' }"),
     "2: aliases.a: no model 'p/n' under models (did you mean 'p/m'?)"},
    {REST("aliases = { a = 'wye/' }"), "2: aliases.a: 'wye/' names no route"},
    {REST("aliases = { a = 5 }"), "2: aliases.a: expected a string, got number"},
    {REST("aliases = { auto = 'p/m' }"), "2: aliases.auto: 'auto' already names a route"},
    {REST("aliases = { ['p/m'] = 'wye/route' }"), "2: aliases[\"p/m\"]: is a model already"},
    {REST("default = 'p/x'"), "2: default: no model 'p/x' under models (did you mean 'p/m'?)"},
    {REST("default = 'something'"), "2: default: no model 'something' under models"},
    {REST("direct = 'yes'"), "2: direct: expected true or false, got string"},
    {REST("limits = { body = '32XB' }"),
     "2: limits.body: '32XB' is no size; write a number of bytes, or \"512KB\", \"32MB\", \"1GB\""},
    {REST("limits = { body = 'MB' }"),
     "2: limits.body: 'MB' is no size; write a number of bytes, or \"512KB\", \"32MB\", \"1GB\""},
    {REST("limits = { body = 10 }"), "2: limits.body: 10 is not from 1024 to 1073741824 bytes"},
    {REST("limits = { body = '2GB' }"),
     "2: limits.body: 2147483648 is not from 1024 to 1073741824 bytes"},
    {REST("limits = { body = true }"),
     "2: limits.body: expected a size (\"32MB\" or a number of bytes), got boolean"},
    {REST("limits = { concurrent = 0 }"), "2: limits.concurrent: 0 is not from 1 to 1000000"},
    {REST("limits = { in_flight_mb = 0 }"), "2: limits.in_flight_mb: 0 is not from 1 to 1048576"},
    {REST("limits = { in_flight_mb = 8 }"), "2: limits: in_flight_mb = 8 has no room for one body of limits.body (33554432 bytes)"},
    {REST("limits = { adaptive = 1 }"), "2: limits.adaptive: expected true or false, got number"},
    {REST("limits = { script_ms = 20000 }"), "2: limits.script_ms: 20000 is not from 1 to 10000"},
    {REST("limits = { cache_mb = 513 }"), "2: limits.cache_mb: 513 is not from 0 to 512"},
    {REST("limits = { kv_mb = 65 }"), "2: limits.kv_mb: 65 is not from 1 to 64"},
    {REST("limits = { shadow_usd = -1 }"), "2: limits.shadow_usd: -1 is not from 0 to 1000000 US dollars"},
    {REST("limits = { script_mb = 0.5 }"), "2: limits.script_mb: 0.5 is not from 1 to 1024"},
    {REST("limits = { scirpt_ms = 5 }"),
     "2: limits: unknown key 'scirpt_ms' (did you mean 'script_ms'?)"},
    {REST("capture = { share = 2 }"), "2: capture.share: 2 is not from 0 to 1"},
    {REST("capture = { mask = '/x' }"), "2: capture.mask: expected a list, got string"},
    {REST("capture = { mask = {\n'/ok', 'messages' } }"),
     "3: capture.mask[2]: 'messages' is no JSON pointer; it begins with '/'"},
    {REST("capture = { mask = { '/a~2' } }"),
     "2: capture.mask[1]: '/a~2' is no JSON pointer; '~' is written ~0"},
    {REST("capture = { mask = { a = '/x' } }"),
     "2: capture.mask: expected a list, got a table with names or gaps"},
    {REST("admin = { token = 'secret' }"),
     "2: admin.token: a secret does not belong in the source; write { env = \"NAME\" } or { file = "
     "\"PATH\" }"},
    {REST("admin = { tokn = { env = 'X' } }"),
     "2: admin: unknown key 'tokn' (did you mean 'token'?)"},
};

static void test_refusals_say_where_and_what(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        char expected[600];
        snprintf(expected, sizeof expected, "routes/wye.lua:%s", REFUSED[i].message);
        struct config *c = read_source(REFUSED[i].source);
        if (c)
            fail_msg("accepted: %s", REFUSED[i].source);
        assert_string_equal(err.message, expected);
    }
}

/* The line of the bad key, however the source is laid out. */
static void test_lines_in_odd_sources(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int line;
    } cases[] = {
        {"local c = {\n models = {},\n zzz = 1,\n}\nreturn c", 3},
        {"local c = { models = {} }\nc.zzz = 1\nreturn c", 3},
        {"--[[ return {\n zzz ]]\nreturn { --[==[ zzz\n]] ]==] models = {},\n['zzz'] = 1 }", 5},
        {"return { models = { ['sim/zzz'] = { name = [[\n\n]] .. 'zzz' } },\n\nzzz = 1 }", 5},
        {"return { models = {}; default = ('a'):rep(2, 3), [ [[zzz]] ] =\n1 }", 1},
        {"local function f() return { zzz = 1 } end\nreturn { models = {},\nzzz = f() }", 3},
        {"local t = { models = {} } for _, k in ipairs { 'zzz' } do t[k] = 1 end\nreturn t", 2},
        {"return {\r\nmodels = {},\r\nzzz = 1 }", 3},
        {"return { models = { }, -- {\n\"'\" and nil,\nzzz = 2 == 2 }", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(read_source(cases[i].source));
        char expected[64];
        snprintf(expected, sizeof expected, "routes/wye.lua:%d: unknown key 'zzz'", cases[i].line);
        if (strncmp(err.message, expected, strlen(expected)) != 0)
            fail_msg("%zu: %s", i, err.message);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_vm, close_vm)
    const struct CMUnitTest tests[] = {
        TEST(test_everything_is_read),
        TEST(test_addresses), TEST(test_prices),
        TEST(test_only_models_are_needed),
        TEST(test_a_provider_called_sim_may_be_something_else),
        TEST(test_sizes),
        TEST(test_near_models),
        TEST(test_refusals_say_where_and_what),
        TEST(test_lines_in_odd_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
