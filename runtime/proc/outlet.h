/*
 * outlet: keeps the process alive that sends decisions to a collector (admin/exporter.h), while the live generation names one.
 *
 * The master looks twice a second. Another collector than the running one ends that process at once, and the next one goes on where it got to: a batch that was
 * under way goes to both. At the end of the server it is asked to send what is left, within the drain.
 */
#pragma once

#include <sys/types.h>

#include "admin/exporter.h"
#include "proc/reload.h"

struct outlet {
    const struct reload *reload;
    struct loop *loop;
    const char *trace_dir, *state_dir;
    struct exporter_board *board; /* in shared memory */
    bool is_off;                  /* whatever wye.lua says */

    pid_t pid; /* 0: none */
    struct collector to;
    bool is_replaced, is_finishing;
    struct timer timer;
};

void outlet_open(struct outlet *o);

/* Starts or ends it as the live generation says now. */
void outlet_look(struct outlet *o);
void outlet_close(struct outlet *o);

/* Asks it to end; false when there is none to wait for. */
bool outlet_finish(struct outlet *o);

/* A child of the master ended; true when it was this one. */
bool outlet_reaped(struct outlet *o, pid_t pid, int status);
