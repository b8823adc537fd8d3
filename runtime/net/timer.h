/*
 * timer: the deadlines of one loop, in a heap over one timerfd. Private to loop.c and timer.c.
 *
 * libevent's own timers follow a coarse clock (5 ms become 8); its precise ones cost a system call each round. Here the kernel is told only when
 * the earliest deadline becomes earlier, or has passed.
 */
#pragma once

#include "net/loop.h"

struct event;

struct timer_heap {
    struct timer **at; /* at[0] is armed for the earliest time; a timer's place is its index + 1 */
    unsigned count, room;
    int fd;
    struct event *event;
    uint64_t armed; /* when fd will fire; 0: not armed */
};

void timer_heap_open(struct timer_heap *heap, struct loop *loop);
void timer_heap_close(struct timer_heap *heap);

/* In loop.c. */
struct timer_heap *loop_timers(struct loop *loop);
