/* regex: wye.re, patterns of PCRE2 for routes, compiled at load, bounded when they run (base/search.h). */
#pragma once

#include <lua.h>

void regex_register(lua_State *L);

/* wye.re "pattern" → a regex with match, test and find; wye.re { name = "pattern", … } → a set with match. Raises at load for a pattern that does not compile. */
int regex_new(lua_State *L);
