#include "trace/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

struct keeper {
    struct keeper_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;  /* for the thread */
    pthread_cond_t made;  /* for a writer that waits while a segment is being made */
    struct segment *next, *current, *retired;
    uint64_t sequence, made_count; /* of the next to be made; so far */
    uint64_t in_use;               /* sequence of the one being written */
    bool is_making, has_failed, is_stopping;
    /* The thread's own: made_count when it last looked through the folder; bytes to have ready ahead of the tail. */
    uint64_t tidied, ahead;
};

/* Called with the lock held, which is open while the file is made. */
static void make_next(struct keeper *k, struct err *err)
{
    k->is_making = true;
    uint64_t sequence = k->sequence++;
    pthread_mutex_unlock(&k->lock);
    struct segment *s = segment_create(k->options.dir, k->options.slot, sequence,
                                       k->options.sequence, k->options.segment_bytes, err);
    pthread_mutex_lock(&k->lock);
    if (s == NULL && !k->has_failed)
        log_warn("%s; serving goes on, decisions are not recorded", err->message);
    k->is_making = false;
    k->has_failed = s == NULL;
    k->made_count += s != NULL;
    k->next = s;
    pthread_cond_broadcast(&k->made);
}

enum { LEAST_AHEAD = 64 * 1024 };

/*
 * Has the pages that the writer comes to next ready: a first touch costs it a microsecond, more than twenty events do. As many
 * as twice what it last used, so that an idle worker holds few.
 */
static void touch_ahead(struct segment *s, uint64_t ahead)
{
    uint64_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed) & ~4095ull;
    uint64_t from = s->touched > tail ? s->touched : tail;
    uint64_t to = tail + ahead < s->bytes ? tail + ahead : s->bytes & ~4095ull;
    if (from >= to)
        return;
    madvise((char *)s->head + from, to - from, MADV_POPULATE_WRITE);
    s->touched = to;
}

static void pace(struct keeper *k, const struct segment *current)
{
    uint64_t used = atomic_load_explicit(&current->tail, memory_order_relaxed) - current->synced;
    k->ahead = used * 2 > k->ahead / 2 ? used * 2 : k->ahead / 2;
    if (k->ahead < LEAST_AHEAD)
        k->ahead = LEAST_AHEAD;
}

/* Brings what was written since the last time to the disk, and gives its pages back to the system. */
static void sync_segment(struct segment *s)
{
    uint64_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
    if (tail == s->synced)
        return;
    char *base = (char *)s->head;
    uint64_t from = s->synced & ~4095ull, whole = tail & ~4095ull;
    msync(base, 4096, MS_SYNC);
    msync(base + from, tail - from, MS_SYNC);
    if (whole > from)
        madvise(base + from, whole - from, MADV_DONTNEED);
    s->synced = tail;
}

static void sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* Deletes the oldest segments while the slot takes more than its share. `keep` and later ones stay. */
static void trim(const struct keeper_options *options, uint64_t keep)
{
    struct segment_name *names;
    int count = segment_list(options->dir, (int)options->slot, &names, NULL);
    uint64_t total = 0;
    for (int i = 0; i < count; i++)
        total += names[i].disk_bytes;
    for (int i = 0; i < count && total > options->total_bytes && names[i].sequence < keep; i++) {
        char path[4096];
        segment_path(path, sizeof path, options->dir, options->slot, names[i].sequence);
        if (unlink(path) == 0)
            total -= names[i].disk_bytes;
    }
    free(names);
}

/* Lock held on entry and return, open during the slow parts. */
static void let_go(struct keeper *k)
{
    struct segment *retired = k->retired, *current = k->current, *next = k->next;
    uint64_t made = k->made_count, in_use = k->in_use;
    k->retired = NULL;
    pthread_mutex_unlock(&k->lock);
    if (current) {
        pace(k, retired ? retired : current);
        touch_ahead(current, k->ahead);
    }
    if (next && current)
        touch_ahead(next, k->ahead);
    while (retired) {
        struct segment *older = retired->older;
        sync_segment(retired);
        segment_free(retired);
        retired = older;
    }
    if (current)
        sync_segment(current);
    if (made != k->tidied) {
        sync_folder(k->options.dir);
        trim(&k->options, in_use);
        k->tidied = made;
    }
    pthread_mutex_lock(&k->lock);
}

static void sleep_a_second(struct keeper *k)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    if (pthread_cond_timedwait(&k->wake, &k->lock, &until) == ETIMEDOUT)
        k->has_failed = false;
}

/* Its bursts of a few milliseconds each second must not hold up the writer where both share a processor. */
static void step_back(void)
{
    setpriority(PRIO_PROCESS, (id_t)gettid(), 10); /* of this thread alone, on Linux */
}

static void *keep(void *arg)
{
    struct keeper *k = arg;
    struct err err;
    step_back();
    pthread_mutex_lock(&k->lock);
    while (!k->is_stopping) {
        if (k->next == NULL && !k->is_making && !k->has_failed)
            make_next(k, &err);
        let_go(k);
        if (k->retired == NULL && !k->is_stopping)
            sleep_a_second(k);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

static int start_thread(struct keeper *k)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    int error = pthread_create(&k->thread, NULL, keep, k);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct keeper *keeper_start(const struct keeper_options *options, struct err *err)
{
    struct segment *first = segment_create(options->dir, options->slot, options->sequence,
                                           options->sequence, options->segment_bytes, err);
    if (first == NULL)
        return NULL;
    struct keeper *k = xcalloc(1, sizeof *k);
    k->options = *options;
    k->next = first;
    k->sequence = options->sequence + 1;
    k->made_count = 1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->wake, &monotonic);
    pthread_cond_init(&k->made, NULL);
    pthread_condattr_destroy(&monotonic);
    int error = start_thread(k);
    if (error == 0)
        return k;
    err_set(err, ERR_SYSTEM, "trace: no thread: %s", strerror(error));
    unlink(first->path);
    segment_free(first);
    free(k);
    return NULL;
}

/* Tries at once when the thread has not come to it; waits while it is at it. */
static struct segment *next_segment(struct keeper *k)
{
    struct err err;
    while (k->is_making)
        pthread_cond_wait(&k->made, &k->lock);
    if (k->next == NULL && !k->has_failed)
        make_next(k, &err);
    return k->next;
}

struct segment *keeper_take(struct keeper *k, struct segment *full)
{
    pthread_mutex_lock(&k->lock);
    struct segment *s = next_segment(k);
    if (s) {
        s->head->wall_us = clock_wall_us();
        s->head->mono_ns = clock_ns();
        atomic_store(&s->head->state, SEGMENT_LIVE);
        k->next = NULL;
        k->current = s;
        k->in_use = s->head->sequence;
        if (full) {
            atomic_store(&full->head->state, SEGMENT_ENDED);
            full->older = k->retired;
            k->retired = full;
        }
        pthread_cond_signal(&k->wake);
    }
    pthread_mutex_unlock(&k->lock);
    return s;
}

uint64_t keeper_segments(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    uint64_t count = k->made_count;
    pthread_mutex_unlock(&k->lock);
    return count;
}

void keeper_stop(struct keeper *k, struct segment *last)
{
    pthread_mutex_lock(&k->lock);
    k->is_stopping = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    k->current = NULL;
    atomic_store(&last->head->state, SEGMENT_ENDED);
    last->older = k->retired;
    k->retired = last;
    k->tidied = 0;
    pthread_mutex_lock(&k->lock);
    let_go(k);
    pthread_mutex_unlock(&k->lock);
    if (k->next) {
        unlink(k->next->path);
        segment_free(k->next);
    }
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->wake);
    pthread_cond_destroy(&k->made);
    free(k);
}
