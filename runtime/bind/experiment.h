/*
 * experiment: wye.experiment, a rule that is one of several, by unit. ROUTES.md sections 1 and 5.
 *
 *     local trial = wye.experiment("short-to-mini", { unit = "user", metric = "task_ok", { "v1", 90, rule }, { "v2", 10, require "rules.v2" } })
 *     return function(req) return trial(req) end
 *
 * The result is a Lua function, so that an arm's rule may wait. Each call takes the request's unit, finds its arm and tells the host of the exposure.
 * Without a unit the control's rule runs and nothing is exposed.
 */
#pragma once

#include <lua.h>

#include "policy/experiments.h"

enum { EXPERIMENT_CHECKSUM = 16, EXPERIMENT_WEIGHTS = EXPERIMENT_ARMS * 12 };

enum experiment_unit { UNIT_USER, UNIT_CONVERSATION, UNIT_KEY, UNIT_REQUEST, UNIT_HEADER };

/* One wye.experiment of a generation. */
struct experiment_binding {
    struct experiment_source source;
    struct experiment *shared; /* where its split lies; NULL until the generation is used, and where nothing is shared (check, specs) */
    struct experiment_binding *next;
    enum experiment_unit unit;
    const char *header; /* of UNIT_HEADER */
    char checksums[EXPERIMENT_ARMS][EXPERIMENT_CHECKSUM + 1];
    char weights[EXPERIMENT_WEIGHTS]; /* "0.9,0.1", of the split below */
    unsigned split;                   /* counts as in struct experiment; the text above is of it */
    unsigned said; /* the host's: exposures since the trace was told of the design */
};

/* What the host is told when an arm's rule is about to run. */
struct exposure {
    struct experiment_binding *binding;
    int arm;
    double p;
    uint64_t unit; /* hash */
};

/* Of a generation's, from its first on; NULL when none has that name. */
const struct experiment_binding *experiment_named(const struct experiment_binding *first, struct str name);

int experiment_new(lua_State *L);
