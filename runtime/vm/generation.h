/*
 * generation: one loaded version of a project in one process: files, VM, configuration, routes.
 *
 * Counted: the worker holds the live and the warm ones, each request the one it began with. Built aside by
 * generation_load, then used by swapping a pointer; freed when the last hold is released.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/transport.h"
#include "vm/config.h"
#include "vm/manifest.h"
#include "vm/state.h"

struct generation;
struct health_target;
struct experiments;
struct experiment_binding;

struct route {
    const char *name; /* "route" for route.lua */
    const char *path; /* "route.lua" */
    int ref;          /* registry: the function */
    int after_ref;    /* registry: `after`, or negative */
};

struct generation_options {
    /* bind/'s: opens the wye table in a fresh VM before any file runs. */
    int (*open)(struct vm *vm, struct generation *g, struct err *err);
    const char *sim_url; /* "http://127.0.0.1:9100" plays providers of kind sim; NULL: none runs */
    bool is_demo;        /* sim_url plays every provider */
    struct experiments *experiments; /* those known on this machine: what a project says of one of them must agree; NULL: nothing is known */
};

/* One key of a provider, as calls send it. */
struct credential {
    char *key;    /* NULL where none is configured, or it could not be read; never shown */
    char *fields; /* the header lines of every call with it, secret too; NULL: it could not be read */
    struct health_target *health; /* the router's, in shared memory */
};

/* The keys of one provider: one at least, though it may stand for none. */
struct keyring {
    struct credential *keys;
    int count;
    unsigned turn; /* whose turn it is */
    char *secret, *session; /* bedrock's; NULL where there is none */
};

struct generation {
    unsigned id;
    char hash[13]; /* first hex digits of its files' */
    struct manifest *files;
    struct vm *vm;
    struct config *config;
    struct endpoint *endpoints; /* one for each provider of config, same order */
    struct keyring *keyrings;   /* same order; read at load */
    struct route *routes;
    int route_count;
    const struct generation_options *options;
    struct health_target **health; /* of each model of config; the router's, in shared memory */
    struct experiment_binding *experiments; /* what its routes define (bind/experiment.h); in the configuration's arena */
    unsigned holds;
    bool is_retired;                  /* a newer VM took its place */
};

/*
 * Runs wye.lua and every route of `files` (taken over, freed on failure too) in a new VM. NULL with err: "routes/route.lua:3: …". One hold belongs to the caller.
 */
struct generation *generation_load(unsigned id, struct manifest *files, const struct generation_options *options, struct err *err);

/* Only wye.lua of it, for whoever shows the configuration: no route can be run. */
struct generation *generation_load_config(unsigned id, struct manifest *files, const struct generation_options *options, struct err *err);
struct generation *generation_hold(struct generation *g);
void generation_release(struct generation *g);

const struct route *generation_route(const struct generation *g, struct str name);

/* What the provider speaks: KIND_SIM when the simulator plays it, which plays `anthropic` and `gemini` in their own wires. */
enum provider_kind generation_kind(const struct generation *g, const struct provider *p);

/* Why a provider cannot be asked ("OPENAI_API_KEY is not set"), or NULL when it can. `out` holds the words. */
const char *generation_provider_problem(const struct generation *g, const struct provider *p, char *out, size_t size);

/* Is a key of the provider sent unencrypted to a host that is no address as written and not declared private? */
bool generation_key_in_clear(const struct generation *g, const struct provider *p);

/* The same, or which of its keys is missing, or that they go out in clear. */
const char *generation_provider_warning(const struct generation *g, const struct provider *p, char *out, size_t size);
