/*
 * worker: one process that serves. Forked by the master, obeys orders on a socket, serves on its listening socket.
 *
 * Orders (datagrams on a SOCK_SEQPACKET pair; the manifest travels as a memfd): LOAD id + fd → READY id or FAILED id + words;
 * USE id → USED id; DROP id; DRAIN → the process ends 0 when its exchanges have finished. The end of the socket means that the master died: drain and end.
 */
#pragma once

#include <stdbool.h>

#include "base/stats.h"
#include "policy/region.h"

struct worker_options {
    unsigned slot;
    int listen_fd;
    int orders_fd;
    struct stats_board *board;
    struct region *region;
    const char *trace_dir;
    const char *sim_url;
    bool is_demo, is_watching;
};

enum order { ORDER_LOAD = 1, ORDER_USE, ORDER_DROP, ORDER_DRAIN, ORDER_READY, ORDER_FAILED, ORDER_USED };

struct order_message {
    uint32_t order;   /* enum order */
    uint32_t id;      /* generation */
    char text[1000];  /* FAILED: why */
};

/* Sends one message, with a descriptor when fd >= 0. 0 or -1 (errno). */
int order_send(int socket, const struct order_message *m, int fd);

/* Receives one; *fd is -1 when none came. 1 got one, 0 nothing now, -1 the other side is gone. */
int order_receive(int socket, struct order_message *m, int *fd);

/* Runs until drained. Returns the process's exit status. */
int worker_run(const struct worker_options *options);
