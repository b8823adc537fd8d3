/*
 * tally: decisions (or attempts) counted by the value of one field, for `wye top`.
 *
 *     struct tally *t = tally_new(show);
 *     tally_add(t, d, query);                         // each decision
 *     int count = tally_rows(t, seconds, &rows);      // the most frequent first; valid until the next tally_ call
 *     tally_forget(t, before_us);                     // what began earlier leaves
 *     tally_free(t);
 */
#pragma once

#include "trace/column.h"

enum { TALLY_VALUES = 100000 }; /* different values; what comes above is counted as "(others)" */

struct tally_row {
    struct str value;    /* {NULL, 0}: the field was absent */
    size_t count, errors;
    double p50_ms, p95_ms; /* NAN: none is known */
    double usd;
};

struct tally;

struct tally *tally_new(const struct show *show);
void tally_free(struct tally *t);
void tally_add(struct tally *t, const struct decision *d, const struct query *query);
void tally_forget(struct tally *t, uint64_t before_us);

/* How many were counted, and from when to when (wall clock; 0 when none was). */
size_t tally_total(const struct tally *t, uint64_t *first_us, uint64_t *last_us);
int tally_rows(struct tally *t, const struct tally_row **rows);
