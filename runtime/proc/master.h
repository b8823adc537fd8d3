/*
 * master: the process that `wye serve` is. Opens the sockets, forks workers, the admin process (and the simulator), and sees to it that they live.
 *
 * It serves no request and runs no script itself: whatever the project does happens in processes that it can replace. README.md in this folder tells the life of a
 * generation, what the signals do and which files lie in the state directory.
 */
#pragma once

#include <stdbool.h>

#include "policy/canary.h"

struct master_options {
    const char *project; /* folder */
    const char *listen, *admin;
    const char *trace_dir, *state_dir;
    unsigned workers;
    struct canary_guard guard;
    unsigned skip;     /* gates that reloads leave out (trial/gates.h) */
    double max_change; /* percent; below 0: any */
    bool is_watching, is_demo, prints_json;
    bool keeps_spans; /* nothing is sent to the collector that wye.lua may name */
    /* Runs the simulator on a listening socket until it is told to end; NULL: none. Handed in by cmd/. */
    int (*run_sim)(int listen_fd);
    /* Hears why it cannot begin. Handed in likewise. */
    void (*say_failed)(void *arg, const char *words);
    void *arg;
};

/* Until a signal ends it. Returns the exit status. */
int master_run(const struct master_options *options);
