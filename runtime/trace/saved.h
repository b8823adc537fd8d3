/* saved: a captured decision as a spec for `wye test`: its request, fakes that answer as its models did, and what it decided. Pure. */
#pragma once

#include "base/buf.h"
#include "trace/captured.h"

enum { SAVED_MAX = 16 << 20 };

/* Appends the spec's source. -1 with err when the decision cannot be one: not captured, no route, not decided. */
int saved_write(struct buf *out, const struct captured *c, struct err *err);
