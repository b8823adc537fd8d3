/*
 * lossless: `require "json"` of trusted VMs, in which nothing of a body is lost that an adapter does not look at.
 *
 * null is json.null, arrays know that they are arrays, integers beyond 2^53 and the members that decode's caller names stay raw slices,
 * which encode writes as they came. scripts/README.md is its reference.
 */
#pragma once

#include <lua.h>

#include "base/str.h"

/* Makes `require "json"` work in the VM. Raises only for lack of memory. */
void lossless_register(lua_State *L);
