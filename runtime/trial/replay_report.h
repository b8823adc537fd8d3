/* replay_report: what a replay found, for people and for programs. Pure. */
#pragma once

#include "base/buf.h"
#include "trial/replay.h"

struct replay_page {
    const struct replay *replay;
    const char *trace, *rule; /* where from, by what */
    double seconds;           /* it took; 0: not said */
    double cpu_seconds;       /* on a processor */
    const char *stopped;      /* why asks that were not recorded were answered no longer; NULL: they were */
    struct str quality;       /* of replay_value_write, in the page's format */
    struct str problems;      /* of captures_problems */
};

int replay_write_text(struct buf *out, const struct replay_page *page);
int replay_write_json(struct buf *out, const struct replay_page *page);
