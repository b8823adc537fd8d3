/*
 * shadow: wye.shadow, a rule that decides beside the route and changes nothing.
 *
 *     wye.shadow(rule, req, { rate = 0.05, answers = true, usd = 0.01 })
 *
 * Only the chance is taken and the rule noted while the route runs: the host runs it once the answer has left (serve/shadow.h). Where the host has none
 * (specs, replay) nothing happens; the sweep of `wye check` runs each such rule.
 */
#pragma once

#include <lua.h>
#include <stdint.h>

#include "vm/state.h"

int shadow_add(lua_State *L);

/* A checksum of the file in which the rule is written. Cheap but for the first time. May raise: for a protected call. */
uint64_t shadow_source(lua_State *L, int rule);

/* The host has run the rule, or never will. */
void shadow_forget(struct vm *vm, int rule);
