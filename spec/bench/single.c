/*
 * single: one worker without its master, for tools that watch one process (callgrind, strace).
 *
 *     single PROJECT TRACE_DIR      prints "single PORT" once it listens; ends in order when standard input ends
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/shm.h"
#include "bind/bind.h"
#include "net/server.h"
#include "serve/worker.h"
#include "vm/generation.h"
#include "vm/guard.h"

static void die(const char *why)
{
    fprintf(stderr, "single: %s\n", why);
    _exit(1);
}

/* In a child, as the product does: loads the project once to learn which files belong to it, and packs those. */
static void pack(const char *project, int fd)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    struct err err = {0};
    struct buf packed = BUF(64u << 20);
    if (guard_open(&err) < 0)
        die(err.message);
    struct generation *g = generation_load(1, manifest_new(project), &OPTIONS, &err);
    if (g == NULL)
        die(err.message);
    if (manifest_pack(g->files, &packed) < 0 || write(fd, packed.p, packed.len) != (ssize_t)packed.len)
        die("the project could not be packed");
    _exit(0);
}

static int packed_project(const char *project)
{
    int fd = memfd_create("project", 0), status = 1;
    if (fork() == 0)
        pack(project, fd);
    wait(&status);
    if (status != 0)
        exit(1);
    return fd;
}

/* A child holds the master's end of the orders until standard input ends; the worker then drains. */
static int orders(int files)
{
    int pair[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
        die("no socket pair");
    order_send(pair[0], &(struct order_message){.order = ORDER_LOAD, .id = 1}, files);
    order_send(pair[0], &(struct order_message){.order = ORDER_USE, .id = 1}, -1);
    if (fork() == 0) {
        while (read(STDIN_FILENO, &byte, 1) > 0)
            ;
        _exit(0);
    }
    close(pair[0]);
    return pair[1];
}

int main(int argc, char **argv)
{
    struct err err = {0};
    char name[64];
    if (argc != 3)
        die("usage: single PROJECT TRACE_DIR");
    struct worker_options options = {
        .board = shm_new(sizeof(struct stats_board)), .region = region_new(), .trace_dir = argv[2]};
    atomic_store(&options.board->workers, 1);
    options.listen_fd = listen_open("127.0.0.1:0", false, &err);
    if (options.listen_fd < 0)
        die(err.message);
    options.orders_fd = orders(packed_project(argv[1]));
    printf("single %s\n", strrchr(listen_name(options.listen_fd, name, sizeof name), ':') + 1);
    fflush(stdout);
    return worker_run(&options);
}
