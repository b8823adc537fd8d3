/*
 * lock: a mutex in shared memory that outlives whoever dies holding it.
 *
 * What it guards must be consistent after every single store: the next holder is only told that the last one died inside. POSIX robust mutexes.
 *
 *     if (lock_take(&t->lock)) ...recount what may be off by one...
 *     lock_drop(&t->lock);
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct lock {
    pthread_mutex_t mutex;
};

/* Before the fork, once. */
void lock_init(struct lock *l);

/* True when the process that held it before died inside. */
bool lock_take(struct lock *l);
void lock_drop(struct lock *l);
