#include "trial/eval_calls.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "net/fetch.h"

enum { REPLY_MOST = 40 << 20, DECISION_MOST = 4 << 20, CALL_MS = 960 * 1000, DECISION_MS = 5000 };

struct queue {
    struct eval_call *first, **last;
    pthread_cond_t news;
};

struct eval_calls {
    const char *address, *admin;
    pthread_mutex_t lock;
    struct queue waiting, over;
    bool is_closing;
    pthread_t *threads;
    int count;
};

struct eval_call *eval_call_new(void)
{
    struct eval_call *call = xcalloc(1, sizeof *call);
    call->made = BUF(REPLY_MOST);
    call->reply = BUF(REPLY_MOST);
    call->decision = BUF(DECISION_MOST);
    return call;
}

void eval_call_free(struct eval_call *call)
{
    buf_clear(&call->made);
    buf_clear(&call->reply);
    buf_clear(&call->decision);
    free(call);
}

/* With the lock held. */
static void put(struct queue *q, struct eval_call *call)
{
    call->next = NULL;
    *q->last = call;
    q->last = &call->next;
    pthread_cond_signal(&q->news);
}

static struct eval_call *get(struct queue *q)
{
    struct eval_call *call = q->first;
    if (call && (q->first = call->next) == NULL)
        q->last = &q->first;
    return call;
}

static void run(const struct eval_calls *c, struct eval_call *call)
{
    char id[64], path[96];
    int status;
    struct err err;
    struct fetch_field field = {"x-wye-id", id, sizeof id};
    if (fetch_with_field(c->address, "POST", "/v1/chat/completions", call->body, NULL, CALL_MS, &call->reply, &call->status, &field, &call->err) < 0) {
        call->status = 0;
        return;
    }
    snprintf(path, sizeof path, "/decisions/%s", id);
    if (id[0] == '\0' || fetch(c->admin, "GET", path, str_of(NULL), NULL, DECISION_MS, &call->decision, &status, &err) < 0 || status != 200)
        buf_reset(&call->decision);
}

static void *serve(void *arg)
{
    struct eval_calls *c = arg;
    pthread_mutex_lock(&c->lock);
    while (!c->is_closing) {
        struct eval_call *call = get(&c->waiting);
        if (call == NULL) {
            pthread_cond_wait(&c->waiting.news, &c->lock);
            continue;
        }
        pthread_mutex_unlock(&c->lock);
        run(c, call);
        pthread_mutex_lock(&c->lock);
        put(&c->over, call);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void open_queue(struct queue *q)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    q->last = &q->first;
}

struct eval_calls *eval_calls_open(const char *address, const char *admin, int threads)
{
    struct eval_calls *c = xcalloc(1, sizeof *c);
    sigset_t all, before;
    c->address = address;
    c->admin = admin;
    pthread_mutex_init(&c->lock, NULL);
    open_queue(&c->waiting);
    open_queue(&c->over);
    c->threads = xcalloc((size_t)threads, sizeof *c->threads);
    /* Signals are for the thread that gives and takes. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (c->count < threads && pthread_create(&c->threads[c->count], NULL, serve, c) == 0)
        c->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return c;
}

void eval_calls_close(struct eval_calls *c)
{
    pthread_mutex_lock(&c->lock);
    c->is_closing = true;
    pthread_cond_broadcast(&c->waiting.news);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < c->count; i++)
        pthread_join(c->threads[i], NULL);
    for (struct eval_call *call; (call = get(&c->waiting)) || (call = get(&c->over));)
        eval_call_free(call);
    pthread_cond_destroy(&c->waiting.news);
    pthread_cond_destroy(&c->over.news);
    pthread_mutex_destroy(&c->lock);
    free(c->threads);
    free(c);
}

void eval_calls_give(struct eval_calls *c, struct eval_call *call)
{
    pthread_mutex_lock(&c->lock);
    put(&c->waiting, call);
    pthread_mutex_unlock(&c->lock);
}

struct eval_call *eval_calls_take(struct eval_calls *c, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&c->lock);
    struct eval_call *call;
    while ((call = get(&c->over)) == NULL && pthread_cond_timedwait(&c->over.news, &c->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&c->lock);
    return call;
}
