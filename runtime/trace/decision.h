/*
 * decision: the events of one decision, put together.
 *
 * While it is being collected it is a copy of its events; decision_build then makes records of them: records[0] is the decision
 * itself (with what limit{} and captured hold), then candidates, attempts, arms and notes in the order in which they happened, then what late.h adds.
 * A decision owns all it shows, so it outlives the segments it came from.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "trace/fields.h"
#include "trace/segment.h"

struct value {
    enum field field;
    enum field_kind kind;
    int64_t i; /* KIND_INT */
    double num;
    struct str text;
};

struct record {
    enum group group;
    struct value *values;
    int count, room;
};

struct decision {
    struct decision *next; /* for whoever holds it */
    uint64_t number, run;
    unsigned slot;
    uint64_t began_us, ended_us; /* wall clock; ended: of the newest event */
    bool has_begun;              /* its BEGIN was seen */
    bool is_finished;            /* its DECISION was seen */
    bool is_cut;                 /* larger than DECISION_MAX: later events are missing */
    struct buf raw;
    struct arena arena;
    struct record *records;
    int count, room;
};

enum { DECISION_MAX = 32 * 1024 * 1024 };

struct decision *decision_new(uint64_t number);
void decision_free(struct decision *d);

/* Adds one event; `head` is that of its segment. */
void decision_add(struct decision *d, const struct segment_head *head, const struct event_head *event);

/* Makes the records. Once, after the last event. */
void decision_build(struct decision *d);

/* Adds to one that is built what came later, at `wall_us` (late.h). */
void decision_join(struct decision *d, const struct event_head *event, uint64_t wall_us);

/* The newest value of a field; NULL when it was never given. `after` (or NULL) walks on: earlier values, for lists. */
const struct value *record_get(const struct record *r, enum field f);

/* The text of a string field; {NULL, 0} when absent. */
struct str record_text(const struct record *r, enum field f);

/* The number of a numeric field: milliseconds for FIELD_MS. False when absent. */
bool record_number(const struct record *r, enum field f, double *out);

/* An attempt that a shadow made: it is no part of what the request did and cost. */
bool record_is_shadowed(const struct record *r);

/* Which records hold the fields of a group: LIMIT and CAPTURE lie in the decision's, USAGE in the attempts'. */
enum group group_home(enum group g);

/* The next record of a group's home at or after *i, which moves past it; NULL at the end. */
const struct record *decision_next(const struct decision *d, enum group g, int *i);
int decision_count(const struct decision *d, enum group g);

/* Attempts but those of shadows. */
int decision_attempts(const struct decision *d);
