/*
 * config: what wye.lua returned, validated, as C structs. Owned by a generation.
 *
 * Errors name file, line, the field's path and the near name: "routes/wye.lua:7: providers.openai: unknown key 'base_ulr' (did you mean 'base_url'?)".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct vm;

enum provider_kind { KIND_OPENAI, KIND_ANTHROPIC, KIND_GEMINI, KIND_AZURE, KIND_BEDROCK, KIND_SIM, PROVIDER_KINDS };

/* As wye.lua writes it: "openai". */
extern const char *const CONFIG_KINDS[PROVIDER_KINDS];

/* Where a secret is read from: one of the two. */
struct secret {
    const char *env, *file;
};

enum { CONFIG_MOST_KEYS = 16 };

struct provider {
    const char *name;
    enum provider_kind kind;
    const char *base_url; /* the kind's default when not given; NULL for sim */
    struct secret *keys; /* at most CONFIG_MOST_KEYS; with none it is sent none */
    int key_count;
    struct secret secret, session; /* bedrock: what signs, `key` being the access key's id; without it the key is a bearer token */
    const char *region;            /* bedrock */
    const char *api_version;       /* azure: of its older addresses; NULL: base_url ends in /openai/v1 */
    int8_t responses;              /* openai and azure: 0 when the server does not speak the responses API */
    const char *proxy, *ca_file;
    unsigned max_connections; /* 256 */
    bool is_private;
    bool no_traceparent; /* it is not told the span of its attempt */
};

enum price_bucket {
    PRICE_INPUT,
    PRICE_CACHE_READ,
    PRICE_CACHE_WRITE,
    PRICE_OUTPUT,
    PRICE_REASONING,
    PRICE_BUCKETS
};

struct derived;

struct model {
    const char *id;   /* "provider/id" */
    const char *name; /* what the provider calls it */
    struct str quoted;          /* that name as a JSON string */
    const struct provider *provider;
    bool has_price;
    double price
        [PRICE_BUCKETS]; /* US dollars per million tokens; cache buckets default to input, reasoning to output */
    uint32_t context;                 /* tokens; 0 unknown */
    int8_t tools, vision, structured; /* 1 yes, 0 no, -1 unknown */
    bool is_implied;                  /* sim/fast or sim/smart, which nobody wrote down */
    const struct derived *derived;    /* what model:with changes (bind/derive.h); NULL for the configured ones */
};

struct alias {
    const char *name, *target; /* "gpt-4o" → "wye/route" */
};

struct collector;

struct config {
    struct arena arena;
    struct provider *providers;
    int provider_count;
    struct model *models; /* sorted by id */
    int model_count;
    struct alias *aliases;
    int alias_count;
    const struct model *fallback; /* `default`; NULL when none */
    bool direct;
    struct {
        size_t body;         /* 32 MiB */
        unsigned concurrent; /* 4096, over all workers */
        unsigned in_flight_mb; /* 512, or one body when that is more: bodies of what is let in, over all workers */
        bool adaptive;       /* fewer at once when requests begin to queue at their provider */
        unsigned script_ms;  /* 50 */
        unsigned script_mb;  /* 32 */
        unsigned cache_mb;   /* 64: of whole answers, for routes that ask for it; 0: none */
        unsigned kv_mb;      /* 8: of wye.kv, over all workers */
        double shadow_usd;   /* 10: what answers of shadows may cost a day (UTC), over all workers */
    } limits;
    struct {
        double share; /* -1: not given */
        const char **masks;
        int mask_count;
    } capture;
    struct {
        const char *token_env, *token_file;
    } admin;
    const struct collector *otlp; /* where decisions are sent as spans (collector.h); NULL: nowhere */
};

/* Reads and validates what wye.lua left on top of vm's stack (popped). `source` and `label` find the line of a key. NULL with err. */
struct config *config_read(struct vm *vm, struct str source, const char *label, struct err *err);
void config_free(struct config *c);

const struct model *config_model(const struct config *c, const char *id);

/* The nearest configured model ids to a wrong one, best first; returns how many (at most max). */
int config_near_models(const struct config *c, const char *wrong, const char **out, int max);
