/*
 * record: writes events of decisions into a worker's segments. Single writer, no lock, no system call.
 *
 * One decision is several events that share its number: BEGIN, then NOTE, CANDIDATE, ATTEMPT as they happen, and DECISION
 * last, which publishes the whole. Fields are named by fields.def, which also yields the reader, the query language, the JSON and the reference.
 * Bytes stored survive kill -9 of the process; a thread syncs each second.
 *
 *     struct event *e = event_open(trace, EVENT_ATTEMPT, decision_number);
 *     event_str(e, F_MODEL, str_of("sim/fast"));
 *     event_int(e, F_TTFT_US, 1200);
 *     event_close(e);                     // published: a reader may see it from here on
 *
 * Between open and close nothing else is written. When the segment cannot take the event (disk full, oversize) it is dropped and counted; the
 * calls stay valid. Strings over 64 KiB are cut, with a mark.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum event_type { EVENT_BEGIN = 1, EVENT_NOTE, EVENT_CANDIDATE, EVENT_ATTEMPT_START, EVENT_ATTEMPT, EVENT_ARM, EVENT_ASK, EVENT_CAPTURE, EVENT_DECISION };

enum field {
#define FIELD(name, ...) F_##name,
#include "trace/fields.def"
#undef FIELD
    FIELD_COUNT
};

struct trace;
struct event;

struct trace_options {
    const char *dir;
    unsigned slot;          /* worker number: files are DIR/SLOT-SEQUENCE.seg */
    uint64_t segment_bytes; /* preallocated; default 16 MiB */
    uint64_t total_bytes;   /* for this slot; oldest segments go above it; default 1 GiB / workers */
};

/* Recovers what an earlier process of this slot left (finds the tail by CRC), goes on in a new segment. NULL with words (unwritable, disk full). */
struct trace *trace_open(const struct trace_options *options, struct err *err);
void trace_close(struct trace *t);

struct trace_counts {
    uint64_t events, bytes, dropped, segments;
};
struct trace_counts trace_counts(const struct trace *t);

struct event *event_open(struct trace *t, enum event_type type, uint64_t decision);
void event_str(struct event *e, enum field f, struct str value);
void event_int(struct event *e, enum field f, int64_t value);
void event_num(struct event *e, enum field f, double value);
void event_close(struct event *e);

static inline void event_z(struct event *e, enum field f, const char *z)
{
    if (z)
        event_str(e, f, str_of(z));
}
