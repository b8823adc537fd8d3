/*
 * specs: runs a project's specs (DIR/specs/, busted) over its routes. Routes stay in their sandbox; specs run in a trusted VM (bind/kit.h)
 * and drive them through trials. Used by `wye test`. No network. The thread has its guard open (vm/guard.h).
 */
#pragma once

#include "bind/kit.h"

/* Busted prints as it goes. KIT_PASSED, KIT_FAILED, or KIT_BROKEN (err) when the project does not load, has no specs, or busted is not there. */
int specs_run(const char *dir, bool as_json, struct err *err);
