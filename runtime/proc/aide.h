/*
 * aide: a process that serves beside the workers (admin, simulator). Replaced when it ends; ends with the master, however that ends.
 */
#pragma once

#include <sys/types.h>

#include "net/loop.h"

struct aide {
    const char *title; /* "wye: admin" */
    int (*run)(void *arg);
    void (*revive)(void *arg); /* it ended a moment ago: start it again */
    void *arg;
    int listen_fd; /* -1: none yet; outlives the process */
    pid_t pid;     /* 0: none */
    struct loop *loop;
    struct timer again;
};

/* title to arg are set. */
void aide_open(struct aide *a, struct loop *loop);

/* Ends the process and closes the socket. */
void aide_close(struct aide *a);

/* Forks it with its listening socket and, when >= 0, one more descriptor. */
void aide_start(struct aide *a, int extra_fd);

/* Calls revive a little later. */
void aide_retry(struct aide *a);

/* A child of the master ended; true when it was this one. */
bool aide_reaped(struct aide *a, pid_t pid, int status);
