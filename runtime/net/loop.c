#include "net/loop.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

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
        log_error("the system gave no event loop (epoll_create failed): too few open files? see `ulimit -n`");
        abort();
    }
    list_init(&loop->posts);
    list_init(&loop->signals);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    LIST_EACH(it, &loop->signals) {
        struct loop_signal *s = LIST_ENTRY(it, struct loop_signal, link);
        event_free(s->event);
        free(s);
    }
    LIST_EACH(it, &loop->posts)
        list_remove(it);
    event_base_free(loop->base);
    free(loop);
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

void loop_run(struct loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped) {
        loop->now = 0;
        int flags = EVLOOP_ONCE;
        if (!list_is_empty(&loop->posts))
            flags |= EVLOOP_NONBLOCK;
        /* 1 says that nothing is registered: nothing could ever happen again. */
        if (event_base_loop(loop->base, flags) == 1 && list_is_empty(&loop->posts))
            break;
        run_posts(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
    event_base_loopbreak(loop->base);
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

/* ---- timers ---- */

static void timer_arm(struct timer *t, uint64_t ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    event_add(t->event, &tv);
    t->armed = t->deadline;
}

/* The event fires at the earliest deadline that was ever set; a later one is armed only then. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct timer *t = arg;
    t->armed = 0;
    if (!t->deadline)
        return;
    uint64_t now = loop_now(t->loop);
    if (now < t->deadline) {
        timer_arm(t, t->deadline - now);
        return;
    }
    t->deadline = 0;
    t->fire(t->arg);
}

void timer_init(struct timer *t, struct loop *loop, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){.loop = loop, .fire = fire, .arg = arg};
}

void timer_set(struct timer *t, uint64_t ms_from_now)
{
    t->deadline = loop_now(t->loop) + ms_from_now;
    if (t->armed && t->armed <= t->deadline)
        return;
    if (!t->event && !(t->event = evtimer_new(t->loop->base, on_timer, t)))
        abort();
    timer_arm(t, ms_from_now);
}

void timer_cancel(struct timer *t)
{
    t->deadline = 0;
}

void timer_clear(struct timer *t)
{
    if (t->event)
        event_free(t->event);
    t->event = NULL;
    t->deadline = t->armed = 0;
}

/* ---- descriptors ---- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct watch *w = arg;
    int events = (what & EV_READ ? WATCH_READ : 0) | (what & EV_WRITE ? WATCH_WRITE : 0);
    w->ready(w->arg, events);
}

void watch_init(struct watch *w, struct loop *loop, int fd, void (*ready)(void *arg, int events), void *arg)
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
