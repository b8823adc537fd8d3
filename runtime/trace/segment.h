/*
 * segment: the file format of the trace, for its writer and its readers alike.
 *
 * A segment is DIR/SLOT-SEQUENCE.seg, preallocated (a full disk is an error at creation, never a SIGBUS) and mapped. After
 * its head come events, each padded to 8 bytes. An event is written beyond the tail, its length last with release order:
 * a reader sees a whole event or none. All numbers are in the byte order of the machine.
 *
 *     event:  u32 length (of all, 0 until published), u32 crc32c (of what follows), u64 seq, u64 mono_ns, u64 decision, u16 type
 *     field:  u8 number, u8 kind, then INT: i64, NUM: double, STR and CUT: u32 length and bytes
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "trace/record.h"

enum { SEGMENT_VERSION = 1, SEGMENT_SMALLEST = 4096 };

enum segment_state { SEGMENT_PREPARED, SEGMENT_LIVE, SEGMENT_ENDED };

struct segment_head {
    char magic[8];
    uint32_t version;
    uint32_t slot;
    uint64_t sequence;
    uint64_t run; /* sequence of the first segment that this process wrote: decision numbers are unique in a run */
    uint64_t bytes;
    uint32_t pid;
    uint32_t crc; /* of all above; what follows changes */
    uint64_t wall_us, mono_ns; /* one moment on both clocks, set before the first event */
    _Atomic uint32_t state;    /* enum segment_state */
    _Atomic uint32_t torn;     /* 1: recovery found its tail torn */
    _Atomic uint64_t dropped;  /* events lost while this segment was the newest */
    uint64_t unused[6];
};

struct event_head {
    _Atomic uint32_t length;
    uint32_t crc;
    uint64_t seq;
    uint64_t mono_ns;
    uint64_t decision;
    uint16_t type;
    uint16_t unused[3];
};

_Static_assert(sizeof(struct segment_head) == 128, "the format of segments");
_Static_assert(sizeof(struct event_head) == 40, "the format of events");

enum field_kind { KIND_INT = 1, KIND_NUM, KIND_STR, KIND_CUT };

struct segment {
    struct segment_head *head; /* the mapping */
    uint64_t bytes;
    _Atomic uint64_t tail;  /* writer: where the next event goes */
    uint64_t synced;        /* keeper: up to where it was synced */
    uint64_t touched;       /* keeper: up to where its pages are ready */
    struct segment *older;  /* keeper: list of those to let go */
    char path[];
};

/* Makes, preallocates and maps a new file, which has its name only once it has its head. NULL with words that say what to do. */
struct segment *segment_create(const char *dir, unsigned slot, uint64_t sequence, uint64_t run,
                               uint64_t bytes, struct err *err);

/*
 * Maps a file that is there, for reading or (recovery) for writing. NULL with words: too short, not a segment, or
 * "written by a newer wye: version 2; this one reads 1".
 */
struct segment *segment_map(const char *path, bool writable, struct err *err);

/* Unmaps; the file stays. */
void segment_free(struct segment *s);

/*
 * The event at *at, which moves past it. 1; 0 when there is none (yet); -1 when what is there is torn: its length or
 * CRC is wrong. Start with *at = SEGMENT_FIRST.
 */
enum { SEGMENT_FIRST = 128 };
int segment_walk(const struct segment *s, uint64_t *at, const struct event_head **event);

/*
 * Where segment_walk found no whole event: moves *at past the damage, to the next one that was written after the event `seq` (0: any). False
 * when there is none: a tail, torn or not, or where the writer is at work.
 */
bool segment_resume(const struct segment *s, uint64_t *at, uint64_t seq);

/* Both: each whole event, damage passed over. *seq starts at 0. */
bool segment_next(const struct segment *s, uint64_t *at, uint64_t *seq, const struct event_head **event);

/* The end of a segment whose writer died: finds the tail, marks a torn one, frees the blocks behind it. Returns whether it was torn; *next_seq is raised above what it holds. */
bool segment_recover(struct segment *s, uint64_t *next_seq);

/* When an event of that segment was begun, microseconds since 1970. */
uint64_t segment_wall_us(const struct segment_head *head, const struct event_head *event);

/* One field of an event's payload. */
struct field_view {
    unsigned field;
    enum field_kind kind;
    int64_t i;
    double num;
    struct str text;
};

/* Walks the fields after an event's head: *at from 0. False at the end or where the rest makes no sense. */
bool event_walk(const struct event_head *event, uint32_t *at, struct field_view *out);

/* The event's text of that field; {NULL, 0}: it has none. */
struct str event_text(const struct event_head *event, enum field f);

/* "0-00000012.seg" → slot and sequence. */
bool segment_parse_name(const char *name, unsigned *slot, uint64_t *sequence);

/* The sequences of a slot's files (of all slots when slot < 0), ascending by slot, then sequence. Count, or -1 (err). */
struct segment_name {
    unsigned slot;
    uint64_t sequence;
    uint64_t disk_bytes;
};
int segment_list(const char *dir, int slot, struct segment_name **names, struct err *err);
int segment_path(char *out, size_t size, const char *dir, unsigned slot, uint64_t sequence);
