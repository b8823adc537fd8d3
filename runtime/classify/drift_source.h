/*
 * drift_source: a classifier or a calibration, what it was fitted to, and what it said since: one reading after another, oldest first.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

enum { SOURCE_NAME = 256, SOURCE_ID = 64, DRIFT_ENOUGH = 200 };

enum source_kind { SOURCE_CLASSIFIER, SOURCE_CALIBRATION };

struct drift_source;

/* NULL with "PATH: what is wrong". */
struct drift_source *drift_source_open(enum source_kind kind, const char *name, const char *path, struct err *err);
void drift_source_close(struct drift_source *s);
bool drift_source_is(const struct drift_source *s, enum source_kind kind, struct str name);

/* Takes {"label", "p"} or {"score"}; `id` says where it was read. False when they are not there. */
bool drift_source_add(struct drift_source *s, struct str reading, struct str id);

/* Of one distribution: of p, of labels, or of a score. */
struct drift_part {
    const char *what;
    bool has_order; /* KS makes sense */
    double psi, ks, chance;
    int flagged;           /* the reading at which the watch was first sure; 0: never */
    char at[SOURCE_ID];    /* its decision */
};

struct drift_report {
    const char *name;
    enum source_kind kind;
    int readings;
    bool has_drifted;
    struct drift_part parts[2];
    int count;
    bool has_threshold;
    double threshold, share_then, share_now, again; /* again: the threshold that has share_then now */
    char label[SOURCE_NAME];                         /* whose share moved most; "" when there are none */
    double label_then, label_now;
};

/* Drifted: a watch was sure, or at least DRIFT_ENOUGH readings have a PSI above a quarter. */
struct drift_report drift_source_report(const struct drift_source *s);

const char *drift_kind(const struct drift_report *r); /* "classifier" or "calibration" */
double drift_most(const struct drift_report *r); /* the greatest PSI of its parts */

void drift_text(const struct drift_report *r, struct buf *out);
void drift_json(const struct drift_report *r, struct buf *out);
void drift_metrics(const struct drift_report *reports, int count, struct buf *out); /* Prometheus text */
