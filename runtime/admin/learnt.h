/*
 * learnt: the classifiers and calibrations in a project's folder beside what the trace says that they said, for `wye drift` and for the admin process.
 *
 *     struct learnt l = {0};
 *     if (learnt_add_project(&l, dir, &err) == 0 && learnt_read_trace(&l, trace_dir, &err) == 0)
 *         …drift_source_report(l.sources[i])…
 *     learnt_clear(&l);
 */
#pragma once

#include "classify/drift_source.h"

enum { LEARNT_MOST = 64 };

struct learnt {
    struct drift_source *sources[LEARNT_MOST];
    int count;
};

int learnt_add(struct learnt *l, enum source_kind kind, const char *name, const char *path, struct err *err);

/* classifiers/NAME.model and calibrations/NAME.json; a folder that is not there holds none. */
int learnt_add_project(struct learnt *l, const char *dir, struct err *err);

/* The notes of every decision, oldest first: reads the whole trace. */
int learnt_read_trace(struct learnt *l, const char *trace_dir, struct err *err);

void learnt_clear(struct learnt *l);
