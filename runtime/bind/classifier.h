/*
 * classifier: wye.classifier "intent", a function from a text to its label, how probable that is, and whether the text is of any label.
 *
 * Reads classifiers/intent.model, which `wye train` wrote (classify/classifier.h), while a file loads: it is reloaded and rolled back with the code. What it says of
 * a request is noted in the trace.
 */
#pragma once

#include <lua.h>

void classifier_register(lua_State *L);

/* wye.classifier(name) → intent. */
int classifier_new(lua_State *L);
