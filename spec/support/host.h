/*
 * host: a real server on loopback in a thread of its own, under a small application that a test looks into.
 *
 * The application by target: /hold keeps the exchange until the test answers it, /stream answers in two writes, /big streams 8 MiB and stops at
 * back-pressure, /short promises more than it sends, /forbidden is refused by its head, /peer and /length tell of the request, /take takes its memory
 * over, all others echo it. What begins with
 * /ticket has one, which says how long its chunked body is, plus one; above HOST_BODY that is refused. /ticket/hold is held.
 */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "net/server.h"

enum { HOST_BODY = 100 };

struct host {
    struct loop *loop;
    struct server *server;
    pthread_t thread;
    int port;
    int commands[2];
    atomic_int requests, gone, drains, done, overs;
    atomic_size_t produced, ticket; /* ticket: of the exchange that was over last */
    atomic_bool is_stalled;
    struct exchange *held;
    struct exchange_memory taken; /* the test clears it */
    struct str taken_body;
    sem_t held_one, was_gone, was_over, was_stalled, was_done, executed;
};
extern struct host host;

/* For cmocka: with the default limits. */
int host_setup(void **state);
int host_teardown(void **state);

/* Begins anew under other limits. */
void host_restart(struct server_limits limits);

/* Runs the function in the server's thread and waits for it. */
void host_run(void (*run)(void));

/* Waits for one of the semaphores above; fails the test after five seconds. */
void host_await(sem_t *what);

/* For host_run: answers the held exchange with "at last". */
void host_reply_held(void);
