/*
 * reader: decisions out of a folder of segments, while they are being written or long after.
 *
 * Maps read-only, takes no lock, never waits. Decisions come whole, oldest first by the time they ended, over all slots.
 * What could not be read is counted, not hidden: see reader_report.
 *
 *     struct reader *r = reader_open(dir, &err);
 *     for (struct decision *d; (d = reader_next(r)); decision_free(d)) ...
 *     // later: reader_next again gives what has come since
 *     reader_close(r);
 */
#pragma once

#include "trace/decision.h"

struct reader;

/* NULL with words when the folder cannot be read. Stands at the oldest decision. */
struct reader *reader_open(const char *dir, struct err *err);
void reader_close(struct reader *r);

/* From here on only what lies in the newest `segments` of each slot. */
void reader_recent(struct reader *r, int segments);

/* From here on only what comes after this moment. */
void reader_skip(struct reader *r);

/* Also gives decisions that were lost with their worker. Those still in flight come from reader_unfinished. */
void reader_want_lost(struct reader *r);

/*
 * Also gives what came after a decision's end (late.h), at the cost of a second look at the files: all of them, or for reader_newest and reader_find those that can hold
 * something. What comes after that look is not joined.
 */
void reader_join(struct reader *r);

/* The next decision, built, the caller's to free; NULL when there is none now. */
struct decision *reader_next(struct reader *r);

/* After reader_next gave NULL: a decision still in flight, the caller's; NULL when there is none left. Its later events are then not seen. */
struct decision *reader_unfinished(struct reader *r);

/* reader_newest looks back no further than about this many segments of each worker. */
void reader_within(struct reader *r, int segments);

/*
 * The newest `count` decisions that `accept` (NULL: all) takes, in out[0..], oldest first. Starts at the newest segments, so that
 * few decisions cost little however long the trace. Returns how many. Starts anew; reader_next then gives what comes later.
 */
int reader_newest(struct reader *r, int count, bool (*accept)(void *ctx, const struct decision *d),
                  void *ctx, struct decision **out);

/*
 * The decision whose id begins with `prefix` (finished or not); newest first, a whole id ends the search. NULL with words: unknown (ERR_BAD_REQUEST)
 * or several (ERR_LIMIT).
 */
struct decision *reader_find(struct reader *r, struct str prefix, struct err *err);

/* Every event as it lies there, slot by slot: for `-g raw`. `each` returns false to stop. Again: what has come since. Not to be mixed with the others. */
void reader_events(struct reader *r, bool (*each)(void *ctx, const struct segment_head *head, const struct event_head *event),
                   void *ctx);

struct reader_report {
    uint64_t segments, torn; /* segments read; those with a torn tail */
    uint64_t damaged;        /* events that are there but not as they were written */
    uint64_t missed;         /* events that were deleted before they were read (overruns) */
    uint64_t dropped;        /* events that the writers could not write */
    uint64_t headless;       /* decisions whose beginning is no longer kept */
    uint64_t unreadable;     /* files passed over */
    char unreadable_why[480]; /* of the first of them */
};
struct reader_report reader_report(const struct reader *r);

enum { READER_WORDS = 4096 };

/* What of it is worth telling, a line each: "2 segments with a torn tail: the worker was killed while it wrote\n". Returns how many lines. */
int reader_words(struct buf *out, const struct reader *r);

/* The same in the log, as warnings. */
void reader_warn(const struct reader *r);
