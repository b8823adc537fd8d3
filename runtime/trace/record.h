/*
 * record: writes events of decisions into a worker's segments. Single writer, no lock, no system call.
 *
 * One decision is several events that share its number: BEGIN first, then NOTE, CANDIDATE, ATTEMPT as they happen, and
 * DECISION last, which publishes the whole. SHADOW and its attempts may follow it, and SCORE at any time (late.h). fields.def names the fields and says which event carries which. Bytes stored
 * survive kill -9 of the process; the keeper's thread syncs each second. Numbers are unique within one trace_open.
 *
 *     struct event *e = event_open(trace, EVENT_ATTEMPT, decision_number);
 *     event_str(e, F_MODEL, str_of("sim/fast"));
 *     event_int(e, F_TTFT_US, 1200);
 *     event_close(e);                     // published: a reader may see it from here on
 *
 * Between open and close nothing else is written. When the segment cannot take the event (disk full, larger than a
 * segment) it is dropped and counted; the calls stay valid. A string over 64 KiB is cut and so marked; raw JSON over
 * 1 MiB is replaced by a note of its size. Not for use by two threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum event_type {
    EVENT_BEGIN = 1,
    EVENT_NOTE,
    EVENT_CANDIDATE,
    EVENT_ATTEMPT_START,
    EVENT_ATTEMPT,
    EVENT_ARM,
    EVENT_CAPTURE,
    EVENT_DECISION,
    EVENT_STEP,
    EVENT_SCORE, /* of a decision by its id, in whatever segment: its own number is 0 */
    EVENT_SHADOW,
    EVENT_SHADOW_ATTEMPT,
};

enum field {
#define FIELD(name, type) F_##name,
#include "trace/fields.def"
#undef FIELD
    FIELD_COUNT
};

enum { EVENT_MAX_STRING = 64 * 1024, EVENT_MAX_JSON = 1024 * 1024 };

struct trace;
struct event;

struct trace_options {
    const char *dir;        /* made when absent */
    unsigned slot;          /* worker number: files are DIR/SLOT-SEQUENCE.seg */
    uint64_t segment_bytes; /* preallocated; 0: 16 MiB; at least 4 KiB */
    uint64_t total_bytes;   /* for this slot; oldest segments go above it; 0: 1 GiB */
};

/*
 * Call it after the fork. Recovers what an earlier process of this slot left (finds the tail by CRC) and goes on in a
 * new segment. NULL with words (unwritable, disk full, slot in use by another process).
 */
struct trace *trace_open(const struct trace_options *options, struct err *err);

/* Syncs and ends the segment. */
void trace_close(struct trace *t);

struct trace_counts {
    uint64_t events, bytes, dropped, segments; /* by this process */
    uint64_t torn;                             /* tails that trace_open found torn */
};
struct trace_counts trace_counts(const struct trace *t);

struct event *event_open(struct trace *t, enum event_type type, uint64_t decision);

/* The same at the time when this thread last read the clock: where it did so in the same turn, that saves another reading. */
struct event *event_open_late(struct trace *t, enum event_type type, uint64_t decision);
void event_str(struct event *e, enum field f, struct str value); /* nothing when value.p is NULL */
void event_int(struct event *e, enum field f, int64_t value);
void event_num(struct event *e, enum field f, double value);
bool event_close(struct event *e); /* false: it was dropped */

static inline void event_z(struct event *e, enum field f, const char *z)
{
    event_str(e, f, str_of(z));
}
