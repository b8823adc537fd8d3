/*
 * crew: the master's workers, one in each slot. Forks them, talks to them, collects and replaces them.
 *
 * A slot's listening socket is the master's and outlives its workers: connections that wait in it when one dies are its successor's. What a worker is told and what it says
 * is reload.c's business, through the events.
 */
#pragma once

#include <sys/types.h>

#include "net/loop.h"
#include "admin/admin.h"
#include "serve/worker.h"

enum { CREW_READY = 8 };

struct crew;

struct crew_slot {
    struct crew *crew;
    unsigned index; /* ps and the log count from 1 */
    enum worker_state state;
    pid_t pid;  /* 0: none */
    int listen_fd, orders;
    struct watch watch;
    struct timer again;
    unsigned live;              /* what it last said it uses */
    unsigned ready[CREW_READY]; /* what it said it holds; 0: free */
    unsigned loading;           /* LOADs not answered yet */
    unsigned crashes;           /* in a row */
    uint64_t started_ms;
    /* watchdog's */
    uint64_t beat_ms, cpu_ns_at_beat;
    bool is_condemned;
};

struct crew_events {
    void (*spawned)(void *ctx, struct crew_slot *s);
    void (*told)(void *ctx, struct crew_slot *s, const struct order_message *m);
    void (*empty)(void *ctx); /* draining, and the last one ended */
};

struct crew {
    struct loop *loop;
    struct worker_options common; /* slot and descriptors are filled in for each */
    struct host_board *host;
    const struct crew_events *events;
    void *ctx;
    unsigned count;
    bool is_draining;
    struct crew_slot slots[STATS_MAX_WORKERS];
};

/* Before crew_start: slots[].listen_fd, count and what is above them are set. */
void crew_start(struct crew *c);

/* 0 or -1 when it is not there to hear it. */
int crew_order(struct crew_slot *s, enum order order, unsigned id, int fd);

bool crew_holds(const struct crew_slot *s, unsigned id);
void crew_forget(struct crew_slot *s, unsigned id);

/* A child of the master ended; true when it was a worker. */
bool crew_reaped(struct crew *c, pid_t pid, int status);

/* Asks all to finish; closes the listening sockets. `empty` comes when they have. */
void crew_drain(struct crew *c);
void crew_kill(struct crew *c);
void crew_clear(struct crew *c);
