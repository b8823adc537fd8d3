/*
 * push: sends decisions to an OpenTelemetry collector over OTLP/HTTP JSON, for the server's exporter and for `wye export --to`.
 *
 * The trace is the queue: what waits while the collector is away lies in its files, bounded by their size, and what is deleted before it was sent is counted. One batch
 * (512 spans or a MiB, or a little more) is under way at a time. It is tried again, after 0.5 s and then twice as long up to 30 s or as long as Retry-After says, on 429, 502, 503,
 * 504 and when nobody answers; any other refusal drops it, counted. After each batch the end time of the newest decision in it is kept in `cursor`, so that
 * the next push goes on there: at least once, with at most one batch twice. A decision is held for a quarter of a second, so that one of another worker that ended
 * before it has come too. It all waits: for a process of its own.
 *
 *     struct push p = {.to = &collector, .board = &board, .next = next, .ctx = reader, .cursor = path, .follows = true};
 *     push_open(&p);
 *     bool is_whole = push_run(&p);      // until one of `signals`
 *     push_close(&p);
 */
#pragma once

#include <signal.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "trace/decision.h"
#include "vm/collector.h"

/* What became of the spans. In shared memory where others look at it; one process writes. */
struct push_board {
    _Atomic uint64_t sent, refused; /* spans; refused: by the collector, for good */
    _Atomic uint64_t missed;        /* events that the trace's size limit deleted before they were read */
    _Atomic uint64_t tries_failed;  /* requests that did not come through, and are sent again */
    _Atomic uint64_t waiting_us;    /* when the oldest decision ended that is not sent yet; 0: none waits */
    char words[200];                /* what went wrong last; "" when nothing does */
};

struct push {
    const struct collector *to;
    struct push_board *board;
    struct decision *(*next)(void *ctx); /* NULL when there is none now */
    uint64_t (*missed)(void *ctx);       /* events so far */
    void *ctx;
    const char *cursor; /* a file; NULL: none is kept */
    uint64_t after_us;  /* only decisions that ended later */
    bool follows;       /* goes on with what comes; else ends where the trace ends, and gives a collector that does not answer a minute */
    sigset_t signals;   /* that end it, when it follows after one last try (5 s) for all that is there; blocked by push_open */

    char url[2100];
    bool is_over, is_down;
    struct decision *held; /* read, but too young yet */
    struct buf batch;
    int spans;
    uint64_t newest_us, told_ms;
};

/* Where the one before got to; 0 when there is no such file, or nothing in it. */
uint64_t push_cursor(const char *path);

/* Keeps it; -1 with err. */
int push_set_cursor(const char *path, uint64_t ended_us, struct err *err);

void push_open(struct push *p);

/* True when all was taken; else p->spans of them are left. */
bool push_run(struct push *p);
void push_close(struct push *p);
