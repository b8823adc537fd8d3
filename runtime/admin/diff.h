/* diff: two texts as a unified diff, for people who compare generations. */
#pragma once

#include "base/buf.h"

/*
 * Appends hunks with three lines of context; nothing when the texts are the same. Beyond DIFF_LINES changed lines
 * on a side the whole middle counts as replaced: exact still, only longer. 0, or -1 at the ceiling.
 */
enum { DIFF_LINES = 2000 };
int diff_write(struct buf *out, struct str before, struct str after);
