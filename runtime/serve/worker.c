#include "serve/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "bind/bind.h"
#include "net/upstream.h"
#include "serve/router.h"
#include "vm/guard.h"

enum { WARM_MAX = 8, BEAT_MS = 100, SWEEP_MS = 1000, DRAIN_MS = 30 * 1000 };

static const uint64_t TRACE_BYTES = 1ull << 30; /* over all workers */

struct worker {
    const struct worker_options *options;
    struct stats_slot *slot;
    struct loop *loop;
    struct trace *trace;
    struct trace_counts counted; /* already added to the slot */
    struct upstream *upstream;
    struct router *router;
    struct server *server; /* from the first USE on */
    struct generation_options building;
    struct generation *warm[WARM_MAX]; /* a hold on each */
    struct watch orders;
    struct timer beat, sweep, deadline;
    int listen_fd; /* -1 once the server has it */
    bool is_draining, is_over_deadline;
};

/* ---- heartbeat and counters ---- */

static void set_gauge(struct stats_slot *slot, enum stats_counter which, uint64_t value)
{
    atomic_store_explicit(&slot->counters[which], value, memory_order_relaxed);
}

static void count(struct worker *w)
{
    set_gauge(w->slot, STAT_CONNECTIONS, w->server ? server_connections(w->server) : 0);
    set_gauge(w->slot, STAT_UPSTREAM_OPEN, upstream_counts(w->upstream).open);
    if (!w->trace)
        return;
    struct trace_counts now = trace_counts(w->trace);
    stats_add(w->slot, STAT_TRACE_EVENTS, (int64_t)(now.events - w->counted.events));
    stats_add(w->slot, STAT_TRACE_DROPPED, (int64_t)(now.dropped - w->counted.dropped));
    w->counted = now;
}

static void on_beat(void *arg)
{
    struct worker *w = arg;
    atomic_store_explicit(&w->slot->heartbeat_ms, clock_ms(), memory_order_relaxed);
    count(w);
    timer_set(&w->beat, BEAT_MS);
}

static void on_sweep(void *arg)
{
    struct worker *w = arg;
    upstream_sweep(w->upstream);
    timer_set(&w->sweep, SWEEP_MS);
}

/* ---- draining ---- */

static void on_drained(void *arg)
{
    struct worker *w = arg;
    loop_stop(w->loop);
}

static void on_deadline(void *arg)
{
    struct worker *w = arg;
    w->is_over_deadline = true;
    loop_stop(w->loop);
}

static void drain(struct worker *w)
{
    if (w->is_draining)
        return;
    w->is_draining = true;
    if (!w->server) {
        loop_stop(w->loop);
        return;
    }
    timer_set(&w->deadline, DRAIN_MS);
    router_drain(w->router);
    server_drain(w->server, on_drained, w);
}

/* ---- orders ---- */

static void answer(struct worker *w, enum order order, unsigned id, const char *text)
{
    struct order_message m = {.order = order, .id = id};
    if (text)
        snprintf(m.text, sizeof m.text, "%s", text);
    if (order_send(w->options->orders_fd, &m, -1) < 0)
        log_warn("cannot answer the master: %s", strerror(errno));
}

static struct generation **find(struct worker *w, unsigned id)
{
    for (int i = 0; i < WARM_MAX; i++)
        if (w->warm[i] ? w->warm[i]->id == id : id == 0)
            return &w->warm[i];
    return NULL;
}

static struct manifest *unpack(int fd, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size == 0) {
        err_set(err, ERR_SYSTEM, "the generation came without its files");
        return NULL;
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        err_set(err, ERR_SYSTEM, "cannot map the generation's files: %s", strerror(errno));
        return NULL;
    }
    struct manifest *files = manifest_unpack(str_n(p, (size_t)st.st_size), err);
    munmap(p, (size_t)st.st_size);
    return files;
}

/* A load that hangs is blamed like a script that does. */
static struct generation *build(struct worker *w, unsigned id, int fd, struct err *err)
{
    struct manifest *files = unpack(fd, err);
    if (!files)
        return NULL;
    atomic_store_explicit(&w->slot->script_generation, id, memory_order_relaxed);
    struct generation *g = generation_load(id, files, &w->building, err);
    atomic_store_explicit(&w->slot->script_generation, 0, memory_order_relaxed);
    return g;
}

static void load(struct worker *w, unsigned id, int fd)
{
    struct err err = {0};
    struct generation **place = find(w, 0);
    if (!place)
        err_set(&err, ERR_SYSTEM, "%d generations are warm already", WARM_MAX);
    else
        *place = build(w, id, fd, &err);
    if (place && *place)
        answer(w, ORDER_READY, id, NULL);
    else
        answer(w, ORDER_FAILED, id, err.message);
}

static void serve(struct worker *w)
{
    w->server = server_new(w->loop, w->listen_fd, &SERVER_LIMITS, &ROUTER_APP, w->router);
    w->listen_fd = -1;
}

static void use(struct worker *w, unsigned id)
{
    struct generation **g = find(w, id);
    if (!g) {
        answer(w, ORDER_FAILED, id, "this generation is not loaded here");
        return;
    }
    router_use(w->router, *g);
    atomic_store_explicit(&w->slot->live_generation, id, memory_order_relaxed);
    if (!w->server)
        serve(w);
    server_set_body_limit(w->server, (*g)->config->limits.body);
    answer(w, ORDER_USED, id, NULL);
}

static void drop(struct worker *w, unsigned id)
{
    struct generation **g = find(w, id);
    if (!g || !id)
        return;
    generation_release(*g);
    *g = NULL;
}

static void obey(struct worker *w, const struct order_message *m, int fd)
{
    switch (m->order) {
    case ORDER_LOAD: load(w, m->id, fd); break;
    case ORDER_USE: use(w, m->id); break;
    case ORDER_DROP: drop(w, m->id); break;
    case ORDER_DRAIN: drain(w); break;
    }
}

static void on_orders(void *arg, int events)
{
    (void)events;
    struct worker *w = arg;
    struct order_message m;
    int fd, got;
    while ((got = order_receive(w->options->orders_fd, &m, &fd)) > 0) {
        obey(w, &m, fd);
        if (fd >= 0)
            close(fd);
    }
    if (got < 0) {
        log_warn("the master is gone: finishing what is in flight");
        watch_set(&w->orders, 0);
        drain(w);
    }
}

/* ---- the process ---- */

/* Only the master tells a worker to end: a Ctrl-C or a hang-up reaches the whole process group. */
static void leave_signals_to_master(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

/* A trace that cannot be written costs records, not requests. */
static struct trace *open_trace(const struct worker_options *o)
{
    struct err err;
    struct trace_options options = {.dir = o->trace_dir, .slot = o->slot};
    unsigned workers = o->board->workers;
    options.total_bytes = TRACE_BYTES / (workers ? workers : 1);
    struct trace *t = o->trace_dir ? trace_open(&options, &err) : NULL;
    if (o->trace_dir && !t)
        log_error("serving without a trace: %s", err.message);
    return t;
}

static int open_worker(struct worker *w)
{
    struct err err;
    if (guard_open(&err) < 0) {
        log_error("%s", err.message);
        return -1;
    }
    const struct worker_options *o = w->options;
    w->loop = loop_new();
    w->trace = open_trace(o);
    w->upstream = upstream_new(w->loop);
    struct router_options routing = {
        .loop = w->loop,
        .transport = upstream_transport(w->upstream),
        .trace = w->trace,
        .trace_dir = o->trace_dir,
        .board = o->board,
        .region = o->region,
        .slot = o->slot,
        .warm = w->warm,
        .warm_count = WARM_MAX,
        .captures_by_default = o->is_demo || o->is_watching,
    };
    w->router = router_new(&routing);
    timer_init(&w->beat, w->loop, on_beat, w);
    timer_init(&w->sweep, w->loop, on_sweep, w);
    timer_init(&w->deadline, w->loop, on_deadline, w);
    watch_init(&w->orders, w->loop, o->orders_fd, on_orders, w);
    return 0;
}

static void close_worker(struct worker *w)
{
    watch_clear(&w->orders);
    timer_clear(&w->beat);
    timer_clear(&w->sweep);
    timer_clear(&w->deadline);
    if (w->server)
        server_free(w->server);
    router_free(w->router);
    for (int i = 0; i < WARM_MAX; i++)
        if (w->warm[i])
            generation_release(w->warm[i]);
    count(&(struct worker){.slot = w->slot, .upstream = w->upstream, .trace = w->trace, .counted = w->counted});
    upstream_free(w->upstream);
    if (w->trace)
        trace_close(w->trace);
    loop_free(w->loop);
    guard_close();
    if (w->listen_fd >= 0)
        close(w->listen_fd);
    close(w->options->orders_fd);
}

int worker_run(const struct worker_options *options)
{
    struct worker w = {
        .options = options,
        .slot = &options->board->slots[options->slot],
        .listen_fd = options->listen_fd,
        .building = {.open = bind_open, .sim_url = options->sim_url, .is_demo = options->is_demo, .experiments = &options->region->experiments},
    };
    leave_signals_to_master();
    stats_begin(w.slot, getpid());
    health_begin(&options->region->health, options->slot);
    keys_forget(&options->region->keys, options->slot);
    if (open_worker(&w) < 0)
        return EXIT_FAILURE;
    on_beat(&w);
    on_sweep(&w);
    watch_set(&w.orders, WATCH_READ);
    loop_run(w.loop);
    if (w.is_over_deadline)
        log_warn("some exchanges did not end within %d s: they are cut", DRAIN_MS / 1000);
    close_worker(&w);
    return EXIT_SUCCESS;
}
