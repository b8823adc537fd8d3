#include "policy/lock.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

void lock_init(struct lock *l)
{
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&l->mutex, &how);
    pthread_mutexattr_destroy(&how);
}

bool lock_take(struct lock *l)
{
    int result = pthread_mutex_lock(&l->mutex);
    if (result == 0)
        return false;
    if (result != EOWNERDEAD) {
        log_error("a lock in shared memory is broken");
        abort();
    }
    pthread_mutex_consistent(&l->mutex);
    return true;
}

void lock_drop(struct lock *l)
{
    pthread_mutex_unlock(&l->mutex);
}
