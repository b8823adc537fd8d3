#include "net/loop.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/timer.h"

struct loop_signal {
    struct list link;
    struct event *event;
    void (*fire)(void *arg);
    void *arg;
};

struct loop {
    struct event_base *base;
    struct list posts;
    struct list signals;
    struct timer_heap timers;
    uint64_t now; /* 0: not read in this round */
    bool stopped;
};

struct loop *loop_new(void)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    struct event_config *config = event_config_new();
    if (config) {
        /* One thread owns a loop. The environment must not turn the change list on: it loses RST while unread bytes wait. */
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (!loop->base) {
        log_error("the system gave no event loop (epoll_create failed): too few open files? see "
                  "`ulimit -n`");
        abort();
    }
    list_init(&loop->posts);
    list_init(&loop->signals);
    timer_heap_open(&loop->timers, loop);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    LIST_EACH (it, &loop->signals) {
        struct loop_signal *s = LIST_ENTRY(it, struct loop_signal, link);
        event_free(s->event);
        free(s);
    }
    LIST_EACH (it, &loop->posts)
        list_remove(it);
    timer_heap_close(&loop->timers);
    event_base_free(loop->base);
    free(loop);
}

/* The kernel's side of the loop is shared over fork: it must be remade before anything is taken out of it. */
void loop_leave(struct loop *loop)
{
    if (loop && event_reinit(loop->base) == 0)
        loop_free(loop);
}

/* Runs what was posted so far; what these post in turn waits for the next round. */
static void run_posts(struct loop *loop)
{
    if (list_is_empty(&loop->posts))
        return;
    struct list batch = loop->posts;
    batch.next->prev = batch.prev->next = &batch;
    list_init(&loop->posts);
    while (!list_is_empty(&batch)) {
        struct post *post = LIST_ENTRY(list_first(&batch), struct post, link);
        list_remove(&post->link);
        post->run(post->arg);
    }
}

/* Nothing is posted, timed, or watched but the timers' own descriptor: nothing could ever happen. */
static bool is_idle(const struct loop *loop)
{
    return list_is_empty(&loop->posts) && loop->timers.count == 0 &&
           event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ADDED) <= 1;
}

void loop_run(struct loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped && !is_idle(loop)) {
        loop->now = 0;
        int flags = EVLOOP_ONCE;
        if (!list_is_empty(&loop->posts))
            flags |= EVLOOP_NONBLOCK;
        event_base_loop(loop->base, flags);
        run_posts(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
    event_base_loopbreak(loop->base);
}

struct timer_heap *loop_timers(struct loop *loop)
{
    return &loop->timers;
}

uint64_t loop_now(const struct loop *loop)
{
    if (!loop->now)
        ((struct loop *)loop)->now = clock_ms();
    return loop->now;
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

void loop_post(struct loop *loop, struct post *post, void (*run)(void *arg), void *arg)
{
    post->run = run;
    post->arg = arg;
    if (!post->link.next)
        list_init(&post->link);
    if (list_is_empty(&post->link))
        list_push(&loop->posts, &post->link);
}

void post_cancel(struct post *post)
{
    if (post->link.next)
        list_remove(&post->link);
}

/* ---- descriptors ---- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct watch *w = arg;
    int events = (what & EV_READ ? WATCH_READ : 0) | (what & EV_WRITE ? WATCH_WRITE : 0);
    w->ready(w->arg, events);
}

void watch_init(struct watch *w, struct loop *loop, int fd, void (*ready)(void *arg, int events),
                void *arg)
{
    *w = (struct watch){.loop = loop, .fd = fd, .ready = ready, .arg = arg};
}

void watch_set(struct watch *w, int events)
{
    if (events == w->events)
        return;
    if (w->events)
        event_del(w->event);
    w->events = events;
    if (!events)
        return;
    short what = EV_PERSIST;
    what |= events & WATCH_READ ? EV_READ : 0;
    what |= events & WATCH_WRITE ? EV_WRITE : 0;
    what |= events & WATCH_EDGE ? EV_ET : 0;
    if (!w->event && !(w->event = event_new(w->loop->base, w->fd, what, on_ready, w)))
        abort();
    event_assign(w->event, w->loop->base, w->fd, what, on_ready, w);
    if (event_add(w->event, NULL) < 0)
        log_error("descriptor %d cannot be watched", w->fd);
}

void watch_clear(struct watch *w)
{
    if (w->event)
        event_free(w->event);
    w->event = NULL;
    w->events = 0;
}

/* ---- signals ---- */

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number, (void)what;
    struct loop_signal *s = arg;
    s->fire(s->arg);
}

void loop_on_signal(struct loop *loop, int number, void (*fire)(void *arg), void *arg)
{
    struct loop_signal *s = xcalloc(1, sizeof *s);
    s->fire = fire;
    s->arg = arg;
    s->event = evsignal_new(loop->base, number, on_signal, s);
    if (!s->event || event_add(s->event, NULL) < 0)
        abort();
    list_push(&loop->signals, &s->link);
}
