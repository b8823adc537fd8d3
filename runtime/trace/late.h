/*
 * late: what came after a decision had ended: what its shadows did (wye.shadow), and its scores (POST /v1/feedback, wye.metric).
 *
 * A decision's record is published before its client has read the answer, so these are events of their own, in any segment that came later; scores may lie in another
 * worker's. They are gathered in a pass over the files, and joined to the decisions as those are read. reader_join does both.
 */
#pragma once

#include "trace/decision.h"

struct late;

/* Of all segments of `dir` in which something may lie that came at `since_us` or later; 0: of all. What cannot be read is left out: the reader of the decisions says so. */
struct late *late_read(const char *dir, uint64_t since_us);
void late_free(struct late *l);

/* Adds what is known of it to a decision that is built. Of several scores by one metric the first stands. */
void late_join(const struct late *l, struct decision *d);
