/*
 * exporter: the process that sends the server's decisions to the collector which wye.lua names (`otlp`), as they end.
 *
 * It only reads the trace, with less priority than the workers, so that nothing it waits for delays a request. It goes on where STATE/otlp.cursor says that the one before
 * got to. SIGUSR1 asks it to send what is left and end.
 */
#pragma once

#include "admin/push.h"

/* What it tells in shared memory. */
struct exporter_board {
    _Atomic bool is_running;
    char url[sizeof((struct collector *)0)->url]; /* written before is_running */
    struct push_board push;
};

struct exporter_options {
    const struct collector *to;
    const char *trace_dir, *state_dir;
    struct exporter_board *board;
};

/* The file that says how far it got. */
void exporter_cursor(const char *state_dir, char *out, size_t size);

/* Until SIGUSR1. Returns the process's exit status. */
int exporter_run(const struct exporter_options *o);

/* {"url",…} as admin.h says, or null where there is none. */
void exporter_json(const struct exporter_board *b, struct buf *out);

/* Prometheus text; nothing where there is none. */
void exporter_metrics(const struct exporter_board *b, struct buf *out);
