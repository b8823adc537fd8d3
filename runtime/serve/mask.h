/*
 * mask: takes out of JSON what an operator does not want kept. Pure.
 *
 * A mask is a JSON pointer (RFC 6901, not empty) in which the token `*` stands for any member. What it names is replaced by an empty value of its own
 * kind ("[masked]", 0, false, [], {}), so that the rest still reads as what it was; all other bytes stay as they came.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

enum { MASK_MOST = 256 };

/*
 * Appends valid `json` without what `masks` (at most MASK_MOST) name. Returns how many values were replaced, or -1 at the ceiling of `out`. `used[i]` becomes true
 * when masks[i] named one; never false.
 */
int mask_json(struct buf *out, struct str json, const char *const *masks, int count, bool *used);

/* The same for the text of server-sent events: their data that is JSON. Data that is none (cut, or something else) is left out. */
int mask_events(struct buf *out, struct str events, const char *const *masks, int count, bool *used);

/* May a mask reach the member `name` of the object, or something below it? */
bool mask_touches(const char *mask, const char *name);
