/*
 * sim: a simulated provider over real HTTP. The demo, the test double and the benchmark's upstream.
 *
 * It plays every model that it is asked for, deterministically by its seed, and fails on request (README.md lists the
 * kinds). One thread.
 */
#pragma once

#include "base/err.h"

struct sim_options {
    const char *listen; /* as listen_open takes it */
    const char *script; /* NULL: the built-in models, no faults */
    bool prints_json;   /* the ready line */
};

/* Listens, prints the ready line on standard output, serves until SIGTERM or SIGINT. -1 (err) when it cannot begin. */
int sim_run(const struct sim_options *options, struct err *err);

/*
 * The same on a listening descriptor that is open already, without a ready line and until it is killed: for the child that
 * `serve --demo` forks, which must outlive the signals while workers drain.
 */
int sim_serve(int fd, const struct sim_options *options, struct err *err);
