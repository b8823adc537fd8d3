/*
 * column: one field over many decisions, for `wye top` and `wye hist`.
 *
 * Names are those of `-q`; a bare name that is no field of the decision is looked up among attempts, arms, candidates, limits, notes, shadows and feedback ("model" is
 * attempt.model), and `error` is attempt.error: the kind, not a script's message. What a field of the attempts is counted over is
 * attempts, with their own time and price; everything else is counted over decisions. What shadows attempted counts only under a query that names them.
 */
#pragma once

#include "base/err.h"
#include "trace/decision.h"
#include "trace/query.h"

/* NULL with words and the near name. */
const struct show *column_find(const char *name, struct err *err);

/* Does it come after decisions have ended? Then the reader has to join it. */
bool column_is_late(const struct show *show);

/* One thing to be counted. */
struct cell {
    struct str text;   /* of the field, as people read it; {NULL, 0}: absent */
    bool is_number;    /* and `number` is set */
    double number;     /* milliseconds for times */
    double ms, usd;    /* ms < 0: not known */
    bool is_error;     /* a status from 400 on (but 499, the client left); an attempt with an error that is not `cancelled` */
    char space[48];    /* where a number's text lies */
};

/*
 * Walks what the field says of `d`: *i is 0 before the first. The query (or NULL) looks at each attempt alone where attempts are
 * counted, else at the decision.
 */
bool column_next(const struct show *show, const struct decision *d, const struct query *query, int *i, struct cell *out);
