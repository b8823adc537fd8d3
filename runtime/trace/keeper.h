/*
 * keeper: the thread beside a trace's writer that does what may wait: makes the next segment ahead, syncs each second,
 * lets go of full segments, deletes the oldest above the size limit.
 *
 * The writer calls keeper_take when its segment is full and hands the full one back with keeper_retire; nothing else is shared but
 * the tail. When the keeper could not make a segment (disk full) keeper_take returns NULL until a later try, once a second, succeeds.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "trace/segment.h"

struct keeper;

struct keeper_options {
    char dir[3072];
    unsigned slot;
    uint64_t segment_bytes, total_bytes;
    uint64_t sequence; /* of the first segment it makes */
};

/* Makes the first segment before it returns, so that an unwritable folder or a full disk is an error here. NULL with err. */
struct keeper *keeper_start(const struct keeper_options *options, struct err *err);

/* The next segment, now the writer's: live. `full` (may be NULL) is given back if there is one. NULL: none to be had, `full` stays the writer's. */
struct segment *keeper_take(struct keeper *k, struct segment *full);

uint64_t keeper_segments(struct keeper *k); /* made so far */

/* Syncs and frees `last`, ends the thread, removes a segment made ahead. */
void keeper_stop(struct keeper *k, struct segment *last);
