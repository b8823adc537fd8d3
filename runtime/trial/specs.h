/*
 * specs: runs a project's specs (DIR/specs/, busted) over its routes. Routes stay in their sandbox; specs run in a trusted VM (bind/kit.h)
 * and drive them through trials. Used by `wye test` and as a gate of reloads. No network. The thread has its guard open (vm/guard.h).
 */
#pragma once

#include "bind/kit.h"

struct generation;

/* Is there a file of specs, NAME_spec.lua, anywhere below DIR/specs? */
bool specs_exist(const char *dir);

/* Where specs exist. Busted prints as it goes. KIT_PASSED, KIT_FAILED, or KIT_BROKEN (err) when the project does not load or busted is not there. */
int specs_run(const char *dir, bool as_json, struct err *err);

/* The same over a loaded generation, silently: *passed is how many did, 0 where the project has none. KIT_FAILED with err: "routes/specs/x_spec.lua:12: …";
 * KIT_BROKEN with err when they could not run, or the folder holds none. */
int specs_gate(struct generation *g, const char *dir, int *passed, struct err *err);
