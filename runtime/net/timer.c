#include "net/timer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

/* ---- the heap ---- */

static void put(struct timer_heap *heap, unsigned i, struct timer *t)
{
    heap->at[i] = t;
    t->place = i + 1;
}

static void sift_up(struct timer_heap *heap, unsigned i, struct timer *t)
{
    while (i > 0 && heap->at[(i - 1) / 2]->armed > t->armed) {
        put(heap, i, heap->at[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(heap, i, t);
}

static void sift_down(struct timer_heap *heap, unsigned i, struct timer *t)
{
    for (;;) {
        unsigned child = 2 * i + 1;
        if (child + 1 < heap->count && heap->at[child + 1]->armed < heap->at[child]->armed)
            child++;
        if (child >= heap->count || heap->at[child]->armed >= t->armed)
            break;
        put(heap, i, heap->at[child]);
        i = child;
    }
    put(heap, i, t);
}

static void heap_add(struct timer_heap *heap, struct timer *t)
{
    if (heap->count == heap->room) {
        heap->room = heap->room ? heap->room * 2 : 64;
        heap->at = xrealloc(heap->at, heap->room * sizeof *heap->at);
    }
    sift_up(heap, heap->count++, t);
}

static void heap_remove(struct timer_heap *heap, struct timer *t)
{
    unsigned i = t->place - 1;
    struct timer *last = heap->at[--heap->count];
    t->place = 0;
    t->armed = 0;
    if (last == t)
        return;
    if (i > 0 && heap->at[(i - 1) / 2]->armed > last->armed)
        sift_up(heap, i, last);
    else
        sift_down(heap, i, last);
}

/* ---- the descriptor ---- */

/* An earlier wake-up than needed is left as it is: it costs less than the call that would move it. */
static void arm(struct timer_heap *heap)
{
    if (heap->count == 0 || (heap->armed && heap->armed <= heap->at[0]->armed))
        return;
    heap->armed = heap->at[0]->armed;
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(heap->armed / 1000),
                                           .tv_nsec = (long)(heap->armed % 1000 * 1000000)}};
    timerfd_settime(heap->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Sets the timer's wake-up, which may be earlier than its deadline but never later. */
static void place(struct timer_heap *heap, struct timer *t)
{
    if (t->place)
        heap_remove(heap, t);
    t->armed = t->deadline;
    heap_add(heap, t);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct timer_heap *heap = loop_timers(arg);
    uint64_t now = loop_now(arg);
    heap->armed = 0;
    /* A timer that is set to 0 ms by one of these waits for the next round. */
    for (unsigned left = heap->count; left > 0 && heap->count > 0 && heap->at[0]->armed <= now;
         left--) {
        struct timer *t = heap->at[0];
        heap_remove(heap, t);
        if (t->deadline > now) {
            place(heap, t);
        } else if (t->deadline) {
            t->deadline = 0;
            t->fire(t->arg);
        }
    }
    arm(heap);
}

void timer_heap_open(struct timer_heap *heap, struct loop *loop)
{
    *heap = (struct timer_heap){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    /* Edge-triggered: an expiry need not be read away. */
    if (heap->fd >= 0)
        heap->event =
            event_new(loop_base(loop), heap->fd, EV_READ | EV_ET | EV_PERSIST, on_time, loop);
    if (!heap->event || event_add(heap->event, NULL) < 0) {
        log_error("the system gave no timer (timerfd_create failed): too few open files? see "
                  "`ulimit -n`");
        abort();
    }
}

void timer_heap_close(struct timer_heap *heap)
{
    event_free(heap->event);
    close(heap->fd);
    free(heap->at);
}

/* ---- timers ---- */

void timer_init(struct timer *t, struct loop *loop, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){.loop = loop, .fire = fire, .arg = arg};
}

void timer_set(struct timer *t, uint64_t ms_from_now)
{
    t->deadline = loop_now(t->loop) + ms_from_now;
    if (t->place && t->armed <= t->deadline)
        return;
    struct timer_heap *heap = loop_timers(t->loop);
    place(heap, t);
    arm(heap);
}

void timer_cancel(struct timer *t)
{
    t->deadline = 0;
}

void timer_clear(struct timer *t)
{
    if (t->place)
        heap_remove(loop_timers(t->loop), t);
    t->deadline = 0;
}
