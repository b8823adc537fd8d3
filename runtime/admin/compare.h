/* compare: generations as JSON, for `wye show` and `wye diff`. The shapes are in admin.h. */
#pragma once

#include "base/buf.h"
#include "vm/manifest.h"

/* All append; -1 at the ceiling. An id of 0 (named by hash) is written as null. */
int compare_show(struct buf *out, unsigned id, struct manifest *files);
int compare_generations(struct buf *out, const unsigned ids[2], struct manifest *a, struct manifest *b);
