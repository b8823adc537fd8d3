/*
 * drains: the models that the operator took out of service: by name, or all of a provider's by PROVIDER and a slash and a star, known or yet to come.
 *
 * Part of struct health (health.h), which keeps a flag at each model for whoever is about to call it. One process writes (the admin process; before it the master, at start);
 * any may read meanwhile. Kept in STATE/drained, a line each: the name, a blank, microseconds since 1970.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

enum { DRAINS_MOST = 128, DRAIN_NAME = 96 };

struct drain {
    _Atomic uint64_t since_us; /* wall; 0: free */
    char name[DRAIN_NAME];
};

struct drains {
    struct drain all[DRAINS_MOST];
};

/* The entry of exactly that name; NULL. */
struct drain *drains_find(struct drains *d, const char *name);

/* What drains this model: its own entry, or its provider's; NULL. */
const struct drain *drains_match(const struct drains *d, const char *model);

/* -1 with err when there is no room or the name is too long. */
int drains_add(struct drains *d, const char *name, uint64_t since_us, struct err *err);
void drains_remove(struct drains *d, const char *name);

/* -1 with err; no file is no drains. Lines that are none are passed over. */
int drains_load(struct drains *d, const char *state_dir, struct err *err);
int drains_save(const struct drains *d, const char *state_dir, struct err *err);
