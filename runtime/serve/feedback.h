/*
 * feedback: POST /v1/feedback {"id","metric","value"}: what became of an answer, from whoever can tell, with the client's key.
 *
 * 200 {"ok":true} once the score is in this worker's trace, where readers join it to its decision by id. 400 for what is none (the field is named; so are those that wye measures itself), 404 for a decision that is
 * not known or another key's, 409 for one that has a value of the metric (trace/scored.h says for how long that is known), 429 when reading up old ones has taken its share of this second (trace/lookup.h), 503
 * when it could not be written. All are counted in /metrics.
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"

struct router;
struct exchange;

#define FEEDBACK_PATH "/v1/feedback"

/* Before the body is read. False when it refused. */
bool feedback_head(struct router *r, struct exchange *x);

/* Answers. */
void feedback_post(struct router *r, struct exchange *x);

/* wye.metric: a score from the route itself; nothing when the decision has one of that metric. */
void feedback_metric(struct router *r, const char *id, struct str metric, double value);

/* Lets go of what both hold of the trace. */
void feedback_close(struct router *r);
