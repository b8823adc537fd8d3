/*
 * loop: one thread's event loop (libevent underneath), its ready queue, timers and descriptors.
 *
 * Callbacks run from loop_run only and never re-enter. Work that must not happen inside the
 * callback that noticed it is posted: posts run after the current batch of events, in order.
 * Timers are lazy: moving a deadline later, or cancelling, costs no call into the loop, so a pooled
 * connection sets several per request for nothing. Resolution is one millisecond.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct loop;
struct event_base;

struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* In a forked child: frees the parent's loop without touching what the parent waits for. Before any descriptor is closed. */
void loop_leave(struct loop *loop);

/* Runs until loop_stop, or until nothing is watched, timed or posted. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Milliseconds of CLOCK_MONOTONIC, read once per round of the loop. */
uint64_t loop_now(const struct loop *loop);

/* For net/ only. */
struct event_base *loop_base(struct loop *loop);

/* A unit of deferred work, embedded in its owner. Zero-initialised is valid and idle. */
struct post {
    struct list link;
    void (*run)(void *arg);
    void *arg;
};
void loop_post(struct loop *loop, struct post *post, void (*run)(void *arg), void *arg);
void post_cancel(struct post *post); /* harmless when idle */

/* One deadline, embedded in its owner. timer_init once, timer_clear before the memory goes. */
struct timer {
    struct loop *loop;
    unsigned place;    /* in the loop's heap; 0: in none */
    uint64_t deadline; /* loop_now units; 0: not set */
    uint64_t armed;    /* when the loop looks at it next; 0: never */
    void (*fire)(void *arg);
    void *arg;
};
void timer_init(struct timer *t, struct loop *loop, void (*fire)(void *arg), void *arg);
void timer_set(struct timer *t, uint64_t ms_from_now);
void timer_cancel(struct timer *t);
void timer_clear(struct timer *t);

/*
 * Readiness of one descriptor, level-triggered, embedded in its owner. WATCH_EDGE | WATCH_READ reports only news, for an owner
 * that leaves bytes unread on purpose and still wants to learn of the peer's end. After a reset `ready` sees both events.
 */
enum { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_EDGE = 4 };
struct watch {
    struct loop *loop;
    void *event;
    int fd;
    int events; /* now watched */
    void (*ready)(void *arg, int events);
    void *arg;
};
void watch_init(struct watch *w, struct loop *loop, int fd, void (*ready)(void *arg, int events),
                void *arg);
void watch_set(struct watch *w, int events); /* no call into the kernel when unchanged */
void watch_clear(struct watch *w);           /* before close(fd) */

/* Calls `fire` from the loop (not from the handler) on each signal `number`. */
void loop_on_signal(struct loop *loop, int number, void (*fire)(void *arg), void *arg);
