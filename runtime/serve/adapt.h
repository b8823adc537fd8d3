/*
 * adapt: what model:with changes, under the names that other client protocols have for it. Pure.
 *
 * model:with speaks as chat completions do. In a messages request `system` and `max_tokens` are members, `stop` is `stop_sequences`, a temperature is at most 1; in a
 * responses request they are `instructions`, `max_output_tokens` and, for the effort, `reasoning`. What has no name there (seed, penalties; an effort in
 * messages, stop in responses) is left out.
 */
#pragma once

#include "bind/derive.h"
#include "bind/view.h"

enum { ADAPTED_EDITS = DERIVED_EDITS + 1 };

/* Fills `edits` (ADAPTED_EDITS of them) for a request of that protocol, which is not chat's; returns how many. */
int adapt_edits(const struct derived *d, enum protocol protocol, struct arena *arena, struct json_edit *edits);
