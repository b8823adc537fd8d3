/*
 * similar: wye.similar "faq", labelled examples: which label the nearest ones of a text have, and which they are.
 *
 * Reads classifiers/faq.similar, which `wye train --similar` wrote (classify/similar.h), while a file loads.
 */
#pragma once

#include <lua.h>

void similar_register(lua_State *L);

/* wye.similar(name) → faq. */
int similar_new(lua_State *L);
