/*
 * process: forks one of the master's children so that it begins clean.
 *
 * The child has its title, default signal handlers and an empty mask, only the descriptors it is given (and 0, 1, 2), and exits with what `run` returns. Call from the
 * master's loop thread; the master has no other thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "net/loop.h"

enum { PROCESS_KEEP = 6 };

struct process {
    const char *title; /* "wye: worker 1" */
    const char *role;  /* for the log: "worker 1"; both are copied */
    int keep[PROCESS_KEEP];
    int keep_count;
    struct loop *loop; /* the master's: left behind */
    bool dies_with_parent; /* SIGKILL when the master ends, however it ends */
    int (*run)(void *arg);
    void *arg;
};

/* The child's pid, or -1 (errno). */
pid_t process_fork(const struct process *p);

/* "killed by signal 9 (Killed)" or "exit status 1". */
const char *process_end(int status, char *out, size_t size);
