/*
 * regex: wye.re, PCRE2 for routes, compiled at load, bounded when it runs.
 *
 * PCRE2's match limit holds for one start position only, so a hopeless search over a long text could take minutes inside one call. The
 * search is therefore cut into runs of start positions (offset limit) that grow while they are cheap, and asks for the time in between.
 */
#pragma once

#include <lua.h>

void regex_register(lua_State *L);

/* wye.re "pattern" → a regex with match, test and find; wye.re { name = "pattern", … } → a set with match. Raises at load for a pattern that does not compile. */
int regex_new(lua_State *L);
