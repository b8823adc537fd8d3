/*
 * saved: a captured decision as a spec for `wye test`: its request, fakes that answer as its models did, the clock, wye.kv, arms and chance that its
 * route found, and what it decided; so that the spec passes at any time while the rule is the same. Pure.
 */
#pragma once

#include "base/buf.h"
#include "trace/captured.h"

enum { SAVED_MAX = 16 << 20 };

/* Appends the spec's source. -1 with err when the decision cannot be one: not captured, masked, no route, not decided. */
int saved_write(struct buf *out, const struct captured *c, struct err *err);
