/*
 * analysis: a trusted VM in which a command counts: scripts/stats and what they require, everything of LuaJIT open, never user code.
 *
 *     struct analysis *a = analysis_open("stats.ab", str_of("{\"name\":\"trial\"}"), &err);   // require(module).new(options)
 *     analysis_call(a, "decision", row, NULL, &err);                                         // object:decision(text)
 *     analysis_call(a, "page", str_of(""), &out, &err);                                      // what it returns is appended
 *     analysis_close(a);
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct analysis;

/* NULL with err: what the module raised. */
struct analysis *analysis_open(const char *module, struct str options, struct err *err);
void analysis_close(struct analysis *a);

/* Calls a method of the object with one string. -1 with err: what it raised, without a place when it was meant for people. `out` may be NULL. */
int analysis_call(struct analysis *a, const char *method, struct str text, struct buf *out, struct err *err);
