#include "proc/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proc/process.h"

enum { SHORT_LIFE_MS = 1000, BACK_OFF_MS = 100, BACK_OFF_MOST_MS = 5000 };

static void set_state(struct crew_slot *s, enum worker_state state)
{
    s->state = state;
    atomic_store(&s->crew->host->workers[s->index].state, state);
}

/* ---- what workers say ---- */

static void remember(struct crew_slot *s, unsigned id)
{
    for (int i = 0; i < CREW_READY; i++) {
        if (s->ready[i])
            continue;
        s->ready[i] = id;
        return;
    }
}

static void hear(struct crew_slot *s, const struct order_message *m)
{
    if (m->order == ORDER_READY || m->order == ORDER_FAILED)
        s->loading -= s->loading > 0;
    if (m->order == ORDER_READY)
        remember(s, m->id);
    if (m->order == ORDER_USED) {
        s->live = m->id;
        if (s->state == WORKER_STARTING)
            set_state(s, WORKER_SERVING);
    }
    s->crew->events->told(s->crew->ctx, s, m);
}

static void on_orders(void *arg, int events)
{
    (void)events;
    struct crew_slot *s = arg;
    struct order_message m;
    int fd, got = 0;
    while (s->orders >= 0 && (got = order_receive(s->orders, &m, &fd)) > 0) {
        if (fd >= 0)
            close(fd);
        hear(s, &m);
    }
    if (s->orders >= 0 && got < 0)
        watch_set(&s->watch, 0); /* it is ending: SIGCHLD follows */
}

int crew_order(struct crew_slot *s, enum order order, unsigned id, int fd)
{
    if (s->orders < 0)
        return -1;
    struct order_message m = {.order = order, .id = id};
    if (order_send(s->orders, &m, fd) < 0) {
        log_warn("worker %u does not take orders: %s", s->index + 1, strerror(errno));
        return -1;
    }
    s->loading += order == ORDER_LOAD;
    return 0;
}

bool crew_holds(const struct crew_slot *s, unsigned id)
{
    for (int i = 0; i < CREW_READY; i++)
        if (s->ready[i] == id)
            return true;
    return false;
}

void crew_forget(struct crew_slot *s, unsigned id)
{
    for (int i = 0; i < CREW_READY; i++)
        if (s->ready[i] == id)
            s->ready[i] = 0;
}

/* ---- birth and death ---- */

static int run_worker(void *arg)
{
    return worker_run(arg);
}

static pid_t fork_worker(struct crew_slot *s, int orders)
{
    char title[32], role[32];
    struct worker_options options = s->crew->common;
    options.slot = s->index;
    options.listen_fd = s->listen_fd;
    options.orders_fd = orders;
    snprintf(title, sizeof title, "wye: worker %u", s->index + 1);
    snprintf(role, sizeof role, "worker %u", s->index + 1);
    struct process p = {.title = title,
                        .role = role,
                        .keep = {s->listen_fd, orders},
                        .keep_count = 2,
                        .loop = s->crew->loop,
                        .run = run_worker,
                        .arg = &options};
    return process_fork(&p);
}

static void retry_later(struct crew_slot *s, unsigned ms)
{
    set_state(s, WORKER_DOWN);
    timer_set(&s->again, ms);
}

static void spawn(struct crew_slot *s)
{
    int ends[2];
    pid_t pid = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0) {
        pid = fork_worker(s, ends[1]);
        close(ends[1]);
        if (pid < 0)
            close(ends[0]);
    }
    if (pid < 0) {
        log_error("cannot start worker %u: %s", s->index + 1, strerror(errno));
        retry_later(s, BACK_OFF_MOST_MS);
        return;
    }
    s->pid = pid;
    s->orders = ends[0];
    s->live = s->loading = 0;
    memset(s->ready, 0, sizeof s->ready);
    s->started_ms = s->beat_ms = clock_ms();
    s->cpu_ns_at_beat = 0;
    s->is_condemned = false;
    watch_init(&s->watch, s->crew->loop, s->orders, on_orders, s);
    watch_set(&s->watch, WATCH_READ);
    set_state(s, WORKER_STARTING);
    s->crew->events->spawned(s->crew->ctx, s);
}

static void on_again(void *arg)
{
    struct crew_slot *s = arg;
    if (!s->crew->is_draining)
        spawn(s);
}

void crew_start(struct crew *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct crew_slot *s = &c->slots[i];
        s->crew = c;
        s->index = i;
        s->orders = -1;
        timer_init(&s->again, c->loop, on_again, s);
    }
    for (unsigned i = 0; i < c->count; i++)
        spawn(&c->slots[i]);
}

/* What it had in flight was counted in shared memory: its clients are gone with it. */
static void settle_counts(struct crew_slot *s)
{
    struct stats_board *board = s->crew->common.board;
    uint64_t lost = atomic_exchange(&board->slots[s->index].counters[STAT_IN_FLIGHT], 0);
    unsigned all = atomic_load(&board->in_flight);
    while (!atomic_compare_exchange_weak(&board->in_flight, &all, all > lost ? all - (unsigned)lost : 0))
        ;
    uint64_t bytes = atomic_exchange(&board->slots[s->index].counters[STAT_IN_FLIGHT_BYTES], 0);
    atomic_fetch_sub(&board->in_flight_bytes, bytes);
}

static void replace(struct crew_slot *s, int status)
{
    char words[64];
    bool had_served = s->state == WORKER_SERVING;
    bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool is_crash = clock_ms() - s->started_ms < SHORT_LIFE_MS && !(had_served && was_killed);
    s->crashes = is_crash ? s->crashes + 1 : 0;
    unsigned wait = s->crashes < 2 ? 0 : BACK_OFF_MS << (s->crashes < 8 ? s->crashes - 2 : 6);
    wait = wait < BACK_OFF_MOST_MS ? wait : BACK_OFF_MOST_MS;
    log_warn("worker %u (pid %d) ended: %s; a new one starts %s", s->index + 1, s->pid,
             process_end(status, words, sizeof words), wait ? "after a pause" : "at once");
    s->pid = 0;
    s->live = 0;
    atomic_fetch_add(&s->crew->host->workers[s->index].restarts, 1);
    if (wait)
        retry_later(s, wait);
    else
        spawn(s);
}

static void close_slot(struct crew_slot *s)
{
    if (s->orders < 0)
        return;
    watch_clear(&s->watch);
    close(s->orders);
    s->orders = -1;
}

static bool is_empty(const struct crew *c)
{
    for (unsigned i = 0; i < c->count; i++)
        if (c->slots[i].pid)
            return false;
    return true;
}

bool crew_reaped(struct crew *c, pid_t pid, int status)
{
    struct crew_slot *s = NULL;
    for (unsigned i = 0; i < c->count; i++)
        if (c->slots[i].pid == pid)
            s = &c->slots[i];
    if (!s)
        return false;
    on_orders(s, 0); /* its last words */
    close_slot(s);
    settle_counts(s);
    if (!c->is_draining) {
        replace(s, status);
        return true;
    }
    s->pid = 0;
    set_state(s, WORKER_DOWN);
    if (is_empty(c))
        c->events->empty(c->ctx);
    return true;
}

/* ---- the end ---- */

void crew_drain(struct crew *c)
{
    c->is_draining = true;
    for (unsigned i = 0; i < c->count; i++) {
        struct crew_slot *s = &c->slots[i];
        close(s->listen_fd);
        s->listen_fd = -1;
        timer_cancel(&s->again);
        if (!s->pid)
            continue;
        set_state(s, WORKER_DRAINING);
        crew_order(s, ORDER_DRAIN, 0, -1);
    }
    if (is_empty(c))
        c->events->empty(c->ctx);
}

void crew_kill(struct crew *c)
{
    for (unsigned i = 0; i < c->count; i++)
        if (c->slots[i].pid)
            kill(c->slots[i].pid, SIGKILL);
}

void crew_clear(struct crew *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct crew_slot *s = &c->slots[i];
        if (!s->crew)
            continue; /* never started */
        close_slot(s);
        timer_clear(&s->again);
        if (s->listen_fd >= 0)
            close(s->listen_fd);
        s->listen_fd = -1;
    }
}
