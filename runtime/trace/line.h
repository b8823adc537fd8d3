/* line: one line for a decision or an attempt, in columns. All append; -1 at the ceiling of `out`. */
#pragma once

#include "trace/text.h"

/* Time, id, route, served, cause, number of attempts, ms, usd, reason or error. */
int line_decision(struct buf *out, const struct decision *d, const struct text_style *style);
int line_decision_title(struct buf *out, const struct text_style *style);

/* Time, id, n, model, purpose, status, error, next, first token, ms, usd. `r` is an attempt of d. */
int line_attempt(struct buf *out, const struct decision *d, const struct record *r, const struct text_style *style);
int line_attempt_title(struct buf *out, const struct text_style *style);
