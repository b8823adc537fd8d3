/*
 * track: one slot's segments, read in order; collects its decisions. For reader.c.
 */
#pragma once

#include "trace/decision.h"
#include "trace/reader.h"

enum { TRACK_BUCKETS = 1024 };

struct track {
    unsigned slot;
    uint64_t *sequences; /* of its segments, ascending */
    int count, room, index; /* index: of the one being read */
    struct segment *segment;
    uint64_t at, run, last_seq;
    bool is_damaged; /* between last_seq and the next event lies damage */
    struct decision *open[TRACK_BUCKETS]; /* by number */
    struct decision *lost;                /* of earlier runs, oldest first; only when wanted */
    struct decision *peeked;              /* read, not yet given out */
};

void track_add(struct track *t, uint64_t sequence);

/* Forgets what was read and stands before the newest `segments`. */
void track_rewind(struct track *t, int segments);
void track_clear(struct track *t);

/* When the segment was begun before which it stands, microseconds since 1970; UINT64_MAX when there is none to read. */
uint64_t track_begins_us(const struct track *t, const char *dir);

/* The next event, or NULL when there is none now. Moves through the segments. */
const struct event_head *track_event(struct track *t, const char *dir, struct reader_report *report);

/* The next decision that ended (or, when wanted, was lost), built. */
struct decision *track_next(struct track *t, const char *dir, bool want_lost, struct reader_report *report);

/* Takes one that is still open out of the table, built. */
struct decision *track_unfinished(struct track *t);
