/*
 * gates: what a new generation passes before a reload uses it, beside the check: the project's specs, and recent decisions replayed.
 *
 * In the throw-away child that tries the project (proc/loader.h), never in a process that serves. Each gate can be left out only by its name. The replay only
 * reports unless max_change is given; it looks at the newest segments of the trace for at most 2 s. The specs have what time the child has.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct generation;

enum { GATE_CHECK = 1, GATE_SPECS = 2, GATE_REPLAY = 4 };

struct gates {
    unsigned skip;         /* of the bits above */
    double max_change;     /* percent of the replayed decisions; below 0: any */
    const char *project;   /* the folder, whose specs/ is looked into */
    const char *trace_dir; /* NULL: there is none */
};

/* "specs,replay" → bits. -1 with words for another name. */
int gates_parse(const char *list, unsigned *skip, struct err *err);

/* Specs, then replay. Appends a line to `told` for each; -1 with err: "routes/specs/x_spec.lua:12: …", "replay: 3 of 20 …". */
int gates_run(const struct gates *gates, struct generation *g, struct buf *told, struct err *err);
