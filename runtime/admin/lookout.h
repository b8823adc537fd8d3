/*
 * lookout: whether what classifiers and calibrations say has drifted, while the server runs: `wye drift` over the live trace.
 *
 * Lives in the admin process. A child of it looks, since it reads the whole trace: at the start, with each new live generation, and a minute after the last
 * look or twenty times as long as that took, so that it costs a twentieth of a core at most. The newest result is kept; a look that fails changes nothing
 * but `failure`. One line of the log when a source begins to drift, one when it no longer does.
 */
#pragma once

#include <sys/types.h>

#include "net/loop.h"
#include "admin/admin.h"
#include "admin/learnt.h"

struct findings {
    char failure[sizeof((struct err *)0)->message]; /* "": none */
    int count;
    struct drift_report reports[LEARNT_MOST];
    char names[LEARNT_MOST][SOURCE_NAME];
};

struct lookout {
    const char *project, *trace_dir;
    const struct host_board *host;
    struct findings newest, *fresh; /* fresh: shared with the child, which writes it */
    struct timer timer;
    pid_t child; /* 0: none */
    unsigned generation;
    uint64_t began_ms, due_ms;
};

void lookout_open(struct lookout *l, struct loop *loop);
void lookout_close(struct lookout *l);

/* {"failure":null,"sources":[…]}, the sources as `wye drift --json` prints them. */
void lookout_json(const struct lookout *l, struct buf *out);
