/* export: decisions and events as JSON, in the shape of ROUTES.md section 7. Every key is there, null, [] or {} where there is nothing. */
#pragma once

#include "base/buf.h"
#include "trace/decision.h"

/* All append one object without a line end; -1 at the ceiling of `out`. */
int export_decision(struct buf *out, const struct decision *d);

/* `r` is one of its attempts: its fields with `id`, `ts` and `route` of the decision. */
int export_attempt(struct buf *out, const struct decision *d, const struct record *r);

/* What one record says of its own group, alone. */
int export_record(struct buf *out, const struct record *r);

int export_fields(struct buf *out, const struct event_head *event); /* of an event, by JSON name */
int export_event(struct buf *out, const struct segment_head *head, const struct event_head *event);
