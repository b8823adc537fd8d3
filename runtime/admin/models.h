/*
 * models: the models of the live configuration, how they do, and which of them the operator takes out of service.
 *
 * What wye.lua says is read from the live generation's kept files, once for each generation, in the sandbox and under the limits that it loaded in; how they do lies in
 * shared memory. A model of `drain` is named as wye.lua names it, or by its provider and a star for all of it, with those that a later reload adds.
 */
#pragma once

#include "admin/admin.h"

struct generation;

struct models {
    const struct admin_options *options;
    struct generation *config; /* NULL: not read yet */
    unsigned generation;       /* that it is of */
};

void models_open(struct models *m);
void models_close(struct models *m);

/*
 * {"generation","models":[{"id","provider","kind","name","price":null or {"input","cache_read","cache_write","output","reasoning"},"context":null or tokens,
 * "tools","vision","structured" (null: unknown),"default","health":"closed|open|half-open","since":null or when it became that,"cooling_ms","in_flight",
 * "first_token","duration" ({"calls","p50_ms","p95_ms"} of recent calls, nulls when there were none),"drained":null or {"name","since"},
 * "problem":null or why its provider cannot be asked}]}. -1 with err.
 */
int models_list(struct models *m, struct buf *out, struct err *err);

/* 0 and {"ok",…}; -1: ERR_LIMIT for a name that is none (err tells the near one), ERR_BAD_REQUEST, ERR_SYSTEM. `name` may be percent-encoded. */
int models_set(struct models *m, struct str name, bool is_drained, struct buf *out, struct err *err);

/* [{"name","since"}] */
void models_drained(const struct drains *d, struct buf *out);
