/*
 * perfetto: decisions in the JSON trace event format that ui.perfetto.dev and chrome://tracing open.
 *
 * A worker is a process, its lanes are threads: a decision lies in the first lane that is free, its attempts under it when they ran one after another,
 * else in lanes of their own. Notes are instants. Decisions come in the order in which they ended, as a reader gives them.
 */
#pragma once

#include "base/buf.h"
#include "trace/decision.h"

struct perfetto;

struct perfetto *perfetto_open(struct buf *out);

/* Appends its events; the caller may empty `out` in between. -1 at the ceiling. */
int perfetto_add(struct perfetto *p, const struct decision *d);

/* Appends the end, and frees. */
int perfetto_close(struct perfetto *p);
