#include "proc/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/shm.h"
#include "bind/bind.h"
#include "net/server.h"
#include "policy/experiments_file.h"
#include "proc/aide.h"
#include "proc/control.h"
#include "proc/crew.h"
#include "proc/folder.h"
#include "proc/outlet.h"
#include "proc/places.h"
#include "proc/reload.h"
#include "proc/splits.h"
#include "proc/store.h"
#include "proc/title.h"
#include "proc/watchdog.h"

enum { DRAIN_MS = 31 * 1000, PACKED_MAX = 80 << 20 };

struct master {
    const struct master_options *options;
    struct loop *loop;
    struct stats_board *board;
    struct region *region;
    struct host_board *host;
    struct crew crew;
    struct reload reload;
    struct watchdog watchdog;
    struct control control;
    struct splits splits;
    struct outlet outlet;
    struct folder folder;
    struct aide admin, sim;
    struct timer deadline;
    char sim_url[160];
    unsigned first; /* generation loaded from the folder */
    int admin_end; /* of the control socket, while the admin process is forked */
    int status;
    bool is_ready, is_stopping;
};

/* Static so that what a child inherits of it stays reachable there. */
static struct master the_master;

/* ---- the end ---- */

static void stop_now(struct master *m, int status)
{
    m->status = status;
    m->is_stopping = true;
    crew_kill(&m->crew);
    loop_stop(m->loop);
}

/* It cannot begin. */
static void fail(struct master *m, const char *words)
{
    m->options->say_failed(m->options->arg, words);
    stop_now(m, EXIT_FAILURE);
}

static void on_drain_deadline(void *arg)
{
    struct master *m = arg;
    log_warn("%s did not finish in time: killed", m->outlet.is_finishing ? "the exporter" : "workers");
    stop_now(m, EXIT_SUCCESS);
}

static void on_empty(void *ctx)
{
    struct master *m = ctx;
    if (!outlet_finish(&m->outlet))
        loop_stop(m->loop);
}

static void on_stop(void *arg)
{
    struct master *m = arg;
    if (m->is_stopping || !m->is_ready) {
        log_info("stopping at once");
        stop_now(m, EXIT_SUCCESS);
        return;
    }
    m->is_stopping = true;
    atomic_store(&m->host->is_draining, true);
    log_info("finishing what is in flight (30 s at most; a second signal ends at once)");
    timer_set(&m->deadline, DRAIN_MS);
    crew_drain(&m->crew);
}

/* ---- admin and simulator ---- */

static int run_admin(void *arg)
{
    struct master *m = arg;
    struct admin_options options = {
        .listen_fd = m->admin.listen_fd,
        .control_fd = m->admin_end,
        .address = m->control.admin,
        .token = m->reload.token[0] && !admin_is_local(m->options->admin) ? m->reload.token : NULL,
        .project = m->options->project,
        .trace_dir = m->options->trace_dir,
        .state_dir = m->options->state_dir,
        .board = m->board,
        .region = m->region,
        .building = &m->reload.building,
        .host = m->host,
        .read_generation = store_read,
    };
    return admin_run(&options);
}

static int run_sim(void *arg)
{
    struct master *m = arg;
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    sigprocmask(SIG_BLOCK, &ours, NULL); /* it must outlive the requests that the workers finish */
    return m->options->run_sim(m->sim.listen_fd);
}

static void start_admin(struct master *m)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        log_error("cannot start the admin process: %s", strerror(errno));
        aide_retry(&m->admin);
        return;
    }
    m->admin_end = ends[1];
    aide_start(&m->admin, ends[1]);
    close(ends[1]);
    m->admin_end = -1;
    control_open(&m->control, ends[0]);
}

static void revive_admin(void *arg)
{
    start_admin(arg);
}

static void revive_sim(void *arg)
{
    struct master *m = arg;
    aide_start(&m->sim, -1);
}

/* ---- signals ---- */

static void on_child(void *arg)
{
    struct master *m = arg;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (!crew_reaped(&m->crew, pid, status) && !aide_reaped(&m->admin, pid, status) && !aide_reaped(&m->sim, pid, status) &&
            outlet_reaped(&m->outlet, pid, status) && m->outlet.is_finishing)
            loop_stop(m->loop);
}

static void reload_by(struct master *m, const char *who)
{
    log_info("reload (%s)", who);
    reload_start(&m->reload, true, false, NULL, NULL);
}

static void on_hangup(void *arg)
{
    struct master *m = arg;
    if (m->is_ready && m->reload.phase == RELOAD_IDLE)
        reload_by(m, "SIGHUP");
    else
        log_warn("SIGHUP: another change is under way; nothing done");
}

static bool on_folder(void *arg)
{
    struct master *m = arg;
    if (m->is_stopping || m->reload.phase != RELOAD_IDLE)
        return m->is_stopping;
    reload_by(m, "files changed");
    return true;
}

/* ---- the crew's and the watchdog's news ---- */

static void on_spawned(void *ctx, struct crew_slot *s)
{
    struct master *m = ctx;
    reload_spawned(&m->reload, s);
}

static void on_told(void *ctx, struct crew_slot *s, const struct order_message *message)
{
    struct master *m = ctx;
    reload_told(&m->reload, s, message);
}

static void on_blame(void *ctx, unsigned generation)
{
    struct master *m = ctx;
    probation_blame(&m->reload.probation, generation);
}

static const struct crew_events CREW_EVENTS = {.spawned = on_spawned, .told = on_told, .empty = on_empty};

/* ---- the beginning ---- */

static void print_url(struct buf *out, const char *address)
{
    buf_printf(out, "%s%s", strncmp(address, "unix:", 5) == 0 ? "" : "http://", address);
}

static void say_ready(struct master *m)
{
    struct buf line = BUF(2048);
    const char *names[] = {m->control.listen, m->control.admin};
    if (m->options->prints_json) {
        buf_puts(&line, "{\"ready\":true,\"listen\":");
        for (int i = 0; i < 2; i++) {
            struct buf url = BUF(512);
            print_url(&url, names[i]);
            buf_puts(&line, i ? ",\"admin\":" : "");
            json_quote(&line, buf_str(&url));
            buf_clear(&url);
        }
        buf_printf(&line, ",\"generation\":%u,\"workers\":%u,\"pid\":%d}", m->reload.live, m->crew.count, (int)getpid());
    } else {
        buf_puts(&line, "wye: ready ");
        print_url(&line, names[0]);
        buf_puts(&line, " admin ");
        print_url(&line, names[1]);
        buf_printf(&line, " generation %u workers %u pid %d", m->reload.live, m->crew.count, (int)getpid());
    }
    printf("%s\n", line.p);
    fflush(stdout);
    buf_clear(&line);
}

static void on_all_serve(void *arg, const struct reload_outcome *o)
{
    struct master *m = arg;
    if (o->status != 200) {
        fail(m, o->error);
        return;
    }
    m->is_ready = true;
    if (m->options->is_watching) {
        m->folder = (struct folder){.path = m->options->project, .changed = on_folder, .arg = m};
        folder_open(&m->folder, m->loop);
    }
    say_ready(m);
}

static bool admin_may_open(struct master *m)
{
    struct err err;
    if (admin_is_local(m->options->admin) || m->reload.token[0])
        return true;
    err_set(&err, ERR_SYSTEM, "--admin %s can be reached from other machines and needs a token: add admin = { token = { env = \"NAME\" } } "
            "to wye.lua, or use a loopback address or unix:PATH", m->options->admin);
    fail(m, m->reload.has_token ? "the admin token that wye.lua names is not set or cannot be read" : err.message);
    return false;
}

static void on_first(void *arg, const struct reload_outcome *o);

static int memory_of(struct str bytes)
{
    int fd = memfd_create("wye generation", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, bytes.p, bytes.len) != (ssize_t)bytes.len) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Loads a generation that the state directory keeps; false when it is not there. */
static bool load_stored(struct master *m, const char *hash, reload_done *done)
{
    struct err err;
    struct buf packed = BUF(PACKED_MAX);
    int fd = store_read(m->options->state_dir, hash, &packed, &err) == 0 ? memory_of(buf_str(&packed)) : -1;
    buf_clear(&packed);
    if (fd < 0)
        return false;
    reload_first(&m->reload, fd, done, m);
    close(fd);
    return true;
}

/* A broken project at start: go on with the last good generation, if there is one. */
static bool begin_from_store(struct master *m, const char *error)
{
    static bool was_tried;
    char hash[STORE_HASH + 1];
    if (was_tried || store_current(m->options->state_dir, hash, NULL) < 0)
        return false;
    was_tried = true;
    log_error("%s", error);
    log_warn("the project is broken: beginning from the last good generation (%.12s) in %s", hash, m->options->state_dir);
    return load_stored(m, hash, on_first);
}

static void begin(struct master *m, unsigned live, unsigned canary)
{
    struct rollout *o = &m->reload.rollout;
    if (!admin_may_open(m))
        return;
    if (canary)
        rollout_set(o, warm_find(&m->reload.warm, live), warm_find(&m->reload.warm, canary), o->record.percent);
    else if (o->record.state == ROLLOUT_RUNNING)
        rollout_lapse(o, "the server began again with other files");
    start_admin(m);
    reload_begin(&m->reload, live, on_all_serve, m);
    outlet_look(&m->outlet);
}

/* The other one of a canary and the live generation beside it is there too. */
static void on_other(void *arg, const struct reload_outcome *o)
{
    struct master *m = arg;
    const struct rollout_record *r = &m->reload.rollout.record;
    bool is_canary = strcmp(o->hash, r->hash) == 0;
    if (o->status != 200) {
        log_error("%s", o->error);
        begin(m, m->first, 0);
        return;
    }
    unsigned live = is_canary ? m->first : o->generation, canary = is_canary ? o->generation : m->first;
    begin(m, live, r->state == ROLLOUT_RUNNING ? canary : 0);
}

/* A canary's files must not serve all only because the server began again. */
static bool begin_with_canary(struct master *m, const struct reload_outcome *o)
{
    const struct rollout_record *r = &m->reload.rollout.record;
    bool is_canary = strcmp(o->hash, r->hash) == 0 && (r->state == ROLLOUT_RUNNING || r->state == ROLLOUT_STEPPED_BACK);
    bool is_base = strcmp(o->hash, r->base) == 0 && r->state == ROLLOUT_RUNNING;
    if (!is_canary && !is_base)
        return false;
    m->first = o->generation;
    if (is_canary)
        log_warn("the project's files are %s (%.12s): beginning from the generation beside it (%.12s)",
                 r->state == ROLLOUT_RUNNING ? "the canary" : "those that were stepped back from", r->hash, r->base);
    return load_stored(m, is_canary ? r->base : r->hash, on_other);
}

static void on_first(void *arg, const struct reload_outcome *o)
{
    struct master *m = arg;
    if (o->status != 200) {
        if (begin_from_store(m, o->error))
            return;
        fail(m, o->error);
        return;
    }
    if (!begin_with_canary(m, o))
        begin(m, o->generation, 0);
}

static int open_sockets(struct master *m, struct err *err)
{
    const struct master_options *o = m->options;
    int fds[STATS_MAX_WORKERS];
    for (unsigned i = 0; i < m->crew.count; i++)
        fds[i] = -1;
    if (places_listen(o->listen, fds, m->crew.count, err) < 0 || places_listen(o->admin, &m->admin.listen_fd, 1, err) < 0)
        return -1;
    for (unsigned i = 0; i < m->crew.count; i++)
        m->crew.slots[i].listen_fd = fds[i];
    listen_name(fds[0], m->control.listen, sizeof m->control.listen);
    listen_name(m->admin.listen_fd, m->control.admin, sizeof m->control.admin);
    return 0;
}

static int open_sim(struct master *m, struct err *err)
{
    if (!m->options->is_demo || !m->options->run_sim)
        return 0;
    m->sim.listen_fd = listen_open("127.0.0.1:0", false, err);
    if (m->sim.listen_fd < 0)
        return -1;
    char name[128];
    snprintf(m->sim_url, sizeof m->sim_url, "http://%s", listen_name(m->sim.listen_fd, name, sizeof name));
    aide_start(&m->sim, -1);
    return 0;
}

static int open_places(struct master *m, struct err *err)
{
    const struct master_options *o = m->options;
    if (places_trace(o->trace_dir, m->crew.count, err) < 0 ||
        store_open(o->state_dir, err) < 0 || keys_load(&m->region->keys, o->state_dir, err) < 0 ||
        experiments_file_load(&m->region->experiments, o->state_dir, err) < 0 ||
        drains_load(&m->region->health.drains, o->state_dir, err) < 0 || open_sockets(m, err) < 0)
        return -1;
    return open_sim(m, err);
}

static void open_parts(struct master *m)
{
    const struct master_options *o = m->options;
    m->crew.loop = m->loop;
    m->crew.host = m->host;
    m->crew.events = &CREW_EVENTS;
    m->crew.ctx = m;
    m->crew.common = (struct worker_options){
        .board = m->board,
        .region = m->region,
        .trace_dir = o->trace_dir,
        .sim_url = m->sim_url[0] ? m->sim_url : NULL,
        .is_demo = o->is_demo,
        .is_watching = o->is_watching,
    };
    m->reload = (struct reload){
        .loop = m->loop,
        .crew = &m->crew,
        .host = m->host,
        .board = m->board,
        .project = o->project,
        .state_dir = o->state_dir,
        .rollout = {.shared = &m->region->canary, .guard = o->guard},
        .gates = {o->skip, o->max_change, o->project, o->trace_dir},
        .building = {.open = bind_open, .sim_url = m->crew.common.sim_url, .is_demo = o->is_demo, .experiments = &m->region->experiments},
    };
    reload_open(&m->reload);
    m->watchdog = (struct watchdog){.crew = &m->crew, .blame = on_blame, .ctx = m};
    watchdog_open(&m->watchdog);
    m->splits = (struct splits){.experiments = &m->region->experiments, .state_dir = o->state_dir};
    splits_open(&m->splits, m->loop);
    m->outlet = (struct outlet){
        .reload = &m->reload, .loop = m->loop, .trace_dir = o->trace_dir, .state_dir = o->state_dir, .board = &m->host->otlp, .is_off = o->keeps_spans};
    outlet_open(&m->outlet);
}

static void open_signals(struct master *m)
{
    signal(SIGPIPE, SIG_IGN);
    loop_on_signal(m->loop, SIGCHLD, on_child, m);
    loop_on_signal(m->loop, SIGTERM, on_stop, m);
    loop_on_signal(m->loop, SIGINT, on_stop, m);
    loop_on_signal(m->loop, SIGHUP, on_hangup, m);
}

static void reap_rest(struct master *m)
{
    for (unsigned i = 0; i < m->crew.count; i++)
        if (m->crew.slots[i].pid)
            waitpid(m->crew.slots[i].pid, NULL, 0);
}

static void close_all(struct master *m)
{
    if (m->folder.path)
        folder_close(&m->folder);
    control_close(&m->control);
    splits_close(&m->splits);
    outlet_close(&m->outlet);
    watchdog_close(&m->watchdog);
    reap_rest(m);
    reload_close(&m->reload);
    crew_clear(&m->crew);
    places_unlisten(m->control.listen);
    places_unlisten(m->control.admin);
}

int master_run(const struct master_options *options)
{
    struct master *m = &the_master;
    struct err err;
    log_init(NULL, LOG_INFO);
    if (places_descriptors(options->workers, &err) < 0 || places_project(options->project, &err) < 0 ||
        places_claim(options->trace_dir, options->state_dir, options->workers, &err) < 0) {
        options->say_failed(options->arg, err.message);
        return EXIT_FAILURE;
    }
    *m = (struct master){.options = options, .status = EXIT_SUCCESS, .admin_end = -1};
    m->crew.count = options->workers;
    m->loop = loop_new();
    m->board = shm_new(sizeof *m->board);
    m->region = region_new();
    m->host = shm_new(sizeof *m->host);
    atomic_store(&m->board->workers, options->workers);
    m->control = (struct control){.options = options, .reload = &m->reload, .loop = m->loop, .started_ms = clock_ms(), .socket = -1};
    m->admin = (struct aide){.title = "wye: admin", .run = run_admin, .revive = revive_admin, .arg = m};
    m->sim = (struct aide){.title = "wye: sim", .run = run_sim, .revive = revive_sim, .arg = m};
    aide_open(&m->admin, m->loop);
    aide_open(&m->sim, m->loop);
    timer_init(&m->deadline, m->loop, on_drain_deadline, m);
    title_init();
    title_set("wye: master");
    open_signals(m);
    if (open_places(m, &err) < 0) {
        options->say_failed(options->arg, err.message);
        m->status = EXIT_FAILURE;
    } else {
        open_parts(m);
        reload_first(&m->reload, -1, on_first, m);
        if (!m->is_stopping)
            loop_run(m->loop);
        close_all(m);
    }
    aide_close(&m->admin);
    aide_close(&m->sim);
    timer_clear(&m->deadline);
    loop_free(m->loop);
    shm_free(m->board, sizeof *m->board);
    region_free(m->region);
    shm_free(m->host, sizeof *m->host);
    return m->status;
}
