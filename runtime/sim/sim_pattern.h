/* sim_pattern: a string that a regular expression matches, for the values that a schema asks for. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

/*
 * Appends one for patterns of literals, `.`, \d, \w, \s, escaped signs and classes such as [A-Z_], each perhaps followed by ?, *, + or {n,m}, between optional
 * anchors. -1 for others (groups, alternatives, negated classes); then nothing was appended.
 */
int sim_pattern_make(struct buf *out, struct str pattern, uint64_t *dice);
