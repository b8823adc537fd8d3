#include "admin/admin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "net/server.h"
#include "policy/experiments_file.h"
#include "admin/access.h"
#include "admin/bandit.h"
#include "admin/compare.h"
#include "trial/gates.h"
#include "admin/lookout.h"
#include "admin/metrics.h"
#include "admin/models.h"
#include "admin/ramp.h"
#include "trace/export.h"
#include "trace/reader.h"

enum { ADMIN_BODY = 64 * 1024, ADMIN_CONNECTIONS = 256, ADMIN_REPLY = 128 << 20, METRICS_MAX = 4 << 20 };

struct admin {
    const struct admin_options *options;
    struct access access;
    struct loop *loop;
    struct server *server;
    struct watch control;
    struct list waiting; /* for the master's answer */
    uint64_t last_ticket;
    struct bandit bandit;
    struct lookout lookout;
    struct models models;
};

/* A request that the master has not answered yet. Lives in the exchange's arena. */
struct waiter {
    struct list link;
    uint64_t ticket;
    struct exchange *exchange;
    bool is_status; /* what the lookout found is added */
};

static const char *const JSON_TYPE = "application/json";

static void reply(struct exchange *x, int status, const struct buf *json)
{
    exchange_reply(x, status, JSON_TYPE, str_of(""), buf_str(json));
}

static void reply_error(struct exchange *x, int status, const char *message)
{
    struct buf json = BUF(8192);
    buf_puts(&json, "{\"ok\":false,\"message\":");
    json_quote(&json, str_of(message));
    buf_puts(&json, ",\"error\":{\"message\":");
    json_quote(&json, str_of(message));
    buf_puts(&json, "}}\n");
    reply(x, status, &json);
    buf_clear(&json);
}

/* ---- through the master ---- */

static void send_master(struct admin *a, struct exchange *x, struct control_request q)
{
    struct waiter *w = arena_zalloc(exchange_arena(x), sizeof *w);
    q.ticket = ++a->last_ticket;
    if (send(a->options->control_fd, &q, sizeof q, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof q) {
        reply_error(x, 503, "the master does not answer; try again");
        return;
    }
    *w = (struct waiter){.ticket = q.ticket, .exchange = x, .is_status = q.verb == CONTROL_STATUS};
    list_push(&a->waiting, &w->link);
    exchange_set_owner(x, w);
}

static void ask_master(struct admin *a, struct exchange *x, enum control_verb verb, unsigned generation, bool force)
{
    send_master(a, x, (struct control_request){.verb = verb, .generation = generation, .force = force});
}

/* The master's object with what this process knows. */
static void reply_status(struct admin *a, struct exchange *x, struct str json)
{
    struct buf all = BUF(ADMIN_REPLY);
    while (json.len > 0 && json.p[json.len - 1] != '}')
        json.len--;
    buf_append(&all, json.p, json.len > 0 ? json.len - 1 : 0);
    buf_puts(&all, ",\"drift\":");
    lookout_json(&a->lookout, &all);
    buf_puts(&all, ",\"otlp\":");
    exporter_json(&a->options->host->otlp, &all);
    buf_puts(&all, ",\"drained\":");
    models_drained(&a->options->region->health.drains, &all);
    buf_puts(&all, "}\n");
    reply(x, 200, &all);
    buf_clear(&all);
}

static void hear_master(struct admin *a, const struct control_reply *head, struct str json)
{
    LIST_EACH(it, &a->waiting) {
        struct waiter *w = LIST_ENTRY(it, struct waiter, link);
        if (w->ticket != head->ticket)
            continue;
        list_remove(&w->link);
        if (w->is_status && head->status == 200)
            reply_status(a, w->exchange, json);
        else
            exchange_reply(w->exchange, (int)head->status, JSON_TYPE, str_of(""), json);
        return;
    }
}

static void on_control(void *arg, int events)
{
    (void)events;
    struct admin *a = arg;
    static char datagram[CONTROL_MAX + sizeof(struct control_reply)];
    struct control_reply head;
    ssize_t n;
    while ((n = recv(a->options->control_fd, datagram, sizeof datagram, MSG_DONTWAIT)) >= (ssize_t)sizeof head) {
        memcpy(&head, datagram, sizeof head);
        hear_master(a, &head, str_n(datagram + sizeof head, (size_t)n - sizeof head));
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        loop_stop(a->loop); /* the master is gone */
}

/* ---- what the paths do ---- */

struct request {
    struct admin *admin;
    struct exchange *exchange;
    struct str args[2], query;
};

/* A generation's number; 0 when it is none. */
static unsigned number_of(struct str s)
{
    unsigned n = 0;
    if (s.len == 0 || s.len > 9)
        return 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return 0;
        n = n * 10 + (unsigned)(s.p[i] - '0');
    }
    return n;
}

/* The value of a parameter; {NULL, 0} when it is not there, "" when it has none. */
static struct str parameter(struct str query, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = query.p, *end = query.p + query.len; at && at < end;) {
        const char *amp = memchr(at, '&', (size_t)(end - at)), *stop = amp ? amp : end;
        struct str one = str_n(at, (size_t)(stop - at));
        if (str_starts(one, name) && (one.len == len || one.p[len] == '='))
            return one.len == len ? str_of("") : str_n(one.p + len + 1, one.len - len - 1);
        at = stop + 1;
    }
    return str_n(NULL, 0);
}

static bool has_force(struct str query)
{
    struct str force = parameter(query, "force");
    return force.p && (force.len == 0 || str_eq(force, "1") || str_eq(force, "true"));
}

static void get_health(struct request *q)
{
    exchange_reply(q->exchange, 200, JSON_TYPE, str_of(""), str_of("{\"ok\":true}\n"));
}

static void get_ready(struct request *q)
{
    const struct admin_options *o = q->admin->options;
    unsigned workers = atomic_load(&o->board->workers), serving = 0;
    for (unsigned i = 0; i < workers; i++)
        serving += atomic_load(&o->host->workers[i].state) == WORKER_SERVING;
    bool is_ready = serving == workers && !atomic_load(&o->host->is_draining);
    struct buf json = BUF(256);
    buf_printf(&json, "{\"ready\":%s,\"serving\":%u,\"workers\":%u}\n", is_ready ? "true" : "false", serving, workers);
    reply(q->exchange, is_ready ? 200 : 503, &json);
    buf_clear(&json);
}

static void get_metrics(struct request *q)
{
    struct buf text = BUF(METRICS_MAX);
    metrics_write(&text, q->admin->options->board, q->admin->options->host, q->admin->options->region);
    drift_metrics(q->admin->lookout.newest.reports, q->admin->lookout.newest.count, &text);
    exchange_reply(q->exchange, 200, "text/plain; version=0.0.4; charset=utf-8", str_of(""), buf_str(&text));
    buf_clear(&text);
}

static void get_status(struct request *q)
{
    ask_master(q->admin, q->exchange, CONTROL_STATUS, 0, false);
}

static int read_gates(struct str query, struct control_request *r, struct err *err)
{
    struct str skip = parameter(query, "skip"), most = parameter(query, "max_change");
    char text[64], *end = text;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(skip));
    if (skip.len >= sizeof text || gates_parse(text, &r->skip, err) < 0)
        return skip.len >= sizeof text ? err_set(err, ERR_BAD_REQUEST, "skip: the gates are check, specs and replay") : -1;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(most));
    r->has_max_change = most.p != NULL;
    r->max_change = strtod(text, &end);
    bool is_percent = end > text && *end == '\0' && r->max_change >= 0 && r->max_change <= 100;
    return !most.p || is_percent ? 0 : err_set(err, ERR_BAD_REQUEST, "max_change takes percent, from 0 to 100");
}

static void post_reload(struct request *q)
{
    struct control_request r = {.verb = CONTROL_RELOAD, .force = has_force(q->query)};
    struct err err;
    if (read_gates(q->query, &r, &err) < 0)
        reply_error(q->exchange, 400, err.message);
    else
        send_master(q->admin, q->exchange, r);
}

static void post_load(struct request *q)
{
    ask_master(q->admin, q->exchange, CONTROL_LOAD, 0, has_force(q->query));
}

static void post_rollback(struct request *q)
{
    ask_master(q->admin, q->exchange, CONTROL_ROLLBACK, 0, false);
}

static void post_keys(struct request *q)
{
    const struct admin_options *o = q->admin->options;
    struct err err;
    int live = keys_load(&o->region->keys, o->state_dir, &err);
    if (live < 0) {
        reply_error(q->exchange, 422, err.message);
        return;
    }
    if (live == 0)
        log_warn("no client keys are left: everybody is served without one");
    struct buf json = BUF(256);
    buf_printf(&json, "{\"ok\":true,\"message\":\"%d keys\",\"keys\":%d}\n", live, live);
    reply(q->exchange, 200, &json);
    buf_clear(&json);
}

static void ask_about(struct request *q, enum control_verb verb)
{
    unsigned id = number_of(q->args[0]);
    if (id)
        ask_master(q->admin, q->exchange, verb, id, false);
    else
        reply_error(q->exchange, 400, "a generation is named by its number");
}

static void post_use(struct request *q)
{
    struct str percent = parameter(q->query, "percent");
    char text[32], *end;
    snprintf(text, sizeof text, STR_FMT, (int)(percent.len < 31 ? percent.len : 31), percent.p ? percent.p : "");
    double share = strtod(text, &end);
    unsigned id = number_of(q->args[0]);
    if (percent.p == NULL || id == 0)
        ask_about(q, CONTROL_USE);
    else if (end == text || *end != '\0' || !(share > 0 && share <= 100))
        reply_error(q->exchange, 400, "percent takes a number over 0, up to 100");
    else
        send_master(q->admin, q->exchange, (struct control_request){.verb = CONTROL_PERCENT, .generation = id, .percent = share});
}

static void post_drop(struct request *q)
{
    ask_about(q, CONTROL_DROP);
}

/* A number stands for the hash it had since this server began; anything else is taken for a hash prefix. */
static struct manifest *open_generation(struct admin *a, struct str name, unsigned *id, struct err *err)
{
    char prefix[80];
    const struct host_board *host = a->options->host;
    *id = name.len < 6 ? number_of(name) : 0;
    if (*id && atomic_load(&host->history[*id % HOST_HISTORY].id) == *id)
        snprintf(prefix, sizeof prefix, "%s", host->history[*id % HOST_HISTORY].hash);
    else
        snprintf(prefix, sizeof prefix, STR_FMT, (int)(name.len < 64 ? name.len : 64), name.p);
    if (*id && strlen(prefix) < 64) {
        err_set(err, ERR_BAD_REQUEST, "there was no generation %u since this server began", *id);
        return NULL;
    }
    struct buf packed = BUF(ADMIN_REPLY);
    struct manifest *files = NULL;
    if (a->options->read_generation(a->options->state_dir, prefix, &packed, err) == 0)
        files = manifest_unpack(buf_str(&packed), err);
    buf_clear(&packed);
    return files;
}

static void get_generation(struct request *q)
{
    struct err err;
    unsigned id;
    struct manifest *files = open_generation(q->admin, q->args[0], &id, &err);
    if (!files) {
        reply_error(q->exchange, 404, err.message);
        return;
    }
    struct buf json = BUF(ADMIN_REPLY);
    if (compare_show(&json, id, files) == 0)
        reply(q->exchange, 200, &json);
    else
        reply_error(q->exchange, 413, "this generation is too large to show");
    buf_clear(&json);
    manifest_free(files);
}

static void get_diff(struct request *q)
{
    struct err err;
    unsigned ids[2];
    struct manifest *a = open_generation(q->admin, q->args[0], &ids[0], &err);
    struct manifest *b = a ? open_generation(q->admin, q->args[1], &ids[1], &err) : NULL;
    struct buf json = BUF(ADMIN_REPLY);
    if (!b)
        reply_error(q->exchange, 404, err.message);
    else if (compare_generations(&json, ids, a, b) == 0)
        reply(q->exchange, 200, &json);
    else
        reply_error(q->exchange, 413, "these generations are too different to show");
    buf_clear(&json);
    if (a)
        manifest_free(a);
    if (b)
        manifest_free(b);
}

static void get_decision(struct request *q)
{
    struct err err;
    struct reader *r = reader_open(q->admin->options->trace_dir, &err);
    struct decision *d = r ? reader_find(r, q->args[0], &err) : NULL;
    struct buf json = BUF(ADMIN_REPLY);
    if (!d)
        reply_error(q->exchange, err.kind == ERR_LIMIT ? 400 : 404, err.message);
    else if (export_decision(&json, d) == 0 && buf_putc(&json, '\n') == 0)
        reply(q->exchange, 200, &json);
    else
        reply_error(q->exchange, 413, "this decision is too large to show");
    buf_clear(&json);
    if (d)
        decision_free(d);
    if (r)
        reader_close(r);
}

static void get_experiments(struct request *q)
{
    struct buf json = BUF(ADMIN_REPLY);
    ramp_list(&json, &q->admin->options->region->experiments);
    reply(q->exchange, 200, &json);
    buf_clear(&json);
}

static void get_models(struct request *q)
{
    struct buf json = BUF(ADMIN_REPLY);
    struct err err;
    if (models_list(&q->admin->models, &json, &err) < 0)
        reply_error(q->exchange, 500, err.message);
    else
        reply(q->exchange, 200, &json);
    buf_clear(&json);
}

static void change_model(struct request *q, bool is_drained)
{
    struct buf json = BUF(ADMIN_REPLY);
    struct err err;
    if (models_set(&q->admin->models, q->query, is_drained, &json, &err) == 0)
        reply(q->exchange, 200, &json);
    else
        reply_error(q->exchange, err.kind == ERR_LIMIT ? 404 : err.kind == ERR_SYSTEM ? 500 : 400, err.message);
    buf_clear(&json);
}

static void post_drain(struct request *q)
{
    change_model(q, true);
}

static void post_ready(struct request *q)
{
    change_model(q, false);
}

static void change_split(struct request *q, int (*change)(struct experiments *, struct str, struct str, struct buf *, struct err *))
{
    const struct admin_options *o = q->admin->options;
    struct buf json = BUF(ADMIN_REPLY);
    struct err err;
    if (change(&o->region->experiments, q->args[0], q->query, &json, &err) < 0)
        reply_error(q->exchange, err.kind == ERR_LIMIT ? 404 : 400, err.message);
    else if (experiments_file_save(&o->region->experiments, o->state_dir, &err) < 0)
        reply_error(q->exchange, 500, err.message);
    else
        reply(q->exchange, 200, &json);
    buf_clear(&json);
}

static void post_ramp(struct request *q)
{
    change_split(q, ramp_weights);
}

static void post_stop(struct request *q)
{
    change_split(q, ramp_stop);
}

static const struct path {
    const char *method, *path; /* `*` stands for one segment */
    void (*run)(struct request *q);
} PATHS[] = {
    {"GET", "/health", get_health},
    {"GET", "/ready", get_ready},
    {"GET", "/metrics", get_metrics},
    {"GET", "/status", get_status},
    {"POST", "/reload", post_reload},
    {"POST", "/load", post_load},
    {"POST", "/use/*", post_use},
    {"POST", "/rollback", post_rollback},
    {"POST", "/drop/*", post_drop},
    {"POST", "/keys/reload", post_keys},
    {"GET", "/generations/*", get_generation},
    {"GET", "/diff/*/*", get_diff},
    {"GET", "/experiments", get_experiments},
    {"POST", "/experiments/*/ramp", post_ramp},
    {"POST", "/experiments/*/stop", post_stop},
    {"GET", "/models", get_models},
    {"POST", "/models/drain", post_drain},
    {"POST", "/models/ready", post_ready},
    {"GET", "/decisions/*", get_decision},
};
enum { PATH_COUNT = sizeof PATHS / sizeof *PATHS };

/* ---- dispatch ---- */

static bool matches(const char *pattern, struct str path, struct str args[2])
{
    int n = 0;
    while (*pattern && path.len) {
        if (*pattern != '*') {
            if (*pattern++ != *path.p)
                return false;
            path = str_n(path.p + 1, path.len - 1);
            continue;
        }
        const char *slash = memchr(path.p, '/', path.len);
        size_t len = slash ? (size_t)(slash - path.p) : path.len;
        args[n++] = str_n(path.p, len);
        path = str_n(path.p + len, path.len - len);
        pattern++;
    }
    return *pattern == '\0' && path.len == 0;
}

static void reply_paths(struct exchange *x, int status, struct str method, struct str path)
{
    struct buf json = BUF(8192);
    char message[300], m[32], p[200];
    snprintf(m, sizeof m, STR_FMT, (int)(method.len < sizeof m ? method.len : sizeof m), method.p);
    snprintf(p, sizeof p, STR_FMT, (int)(path.len < sizeof p ? path.len : sizeof p), path.p);
    snprintf(message, sizeof message, "%s %s is %s of the admin API", m, p, status == 405 ? "no method" : "no path");
    buf_puts(&json, "{\"ok\":false,\"message\":");
    json_quote(&json, str_of(message));
    buf_puts(&json, ",\"error\":{\"message\":");
    json_quote(&json, str_of(message));
    buf_puts(&json, "},\"paths\":[");
    for (int i = 0; i < PATH_COUNT; i++)
        buf_printf(&json, "%s\"%s %s\"", i ? "," : "", PATHS[i].method, PATHS[i].path);
    buf_puts(&json, "]}\n");
    reply(x, status, &json);
    buf_clear(&json);
}

static void on_request(void *ctx, struct exchange *x)
{
    struct request q = {.admin = ctx, .exchange = x};
    const struct http_head *head = exchange_head(x);
    struct str path = head->target;
    const char *question = memchr(path.p, '?', path.len);
    if (question) {
        q.query = str_n(question + 1, path.len - (size_t)(question - path.p) - 1);
        path.len = (size_t)(question - path.p);
    }
    int status = 404;
    for (int i = 0; i < PATH_COUNT; i++) {
        if (!matches(PATHS[i].path, path, q.args))
            continue;
        if (str_eq(head->method, PATHS[i].method) || (str_eq(head->method, "HEAD") && PATHS[i].method[0] == 'G')) {
            PATHS[i].run(&q);
            return;
        }
        status = 405;
    }
    reply_paths(x, status, head->method, path);
}

static bool on_head(void *ctx, struct exchange *x)
{
    struct admin *a = ctx;
    const char *why;
    int status = access_check(&a->access, exchange_head(x), &why);
    if (status == 0)
        return true;
    reply_error(x, status, why);
    return false;
}

static void on_gone(void *ctx, struct exchange *x)
{
    (void)ctx;
    struct waiter *w = exchange_owner(x);
    if (w)
        list_remove(&w->link);
}

static const struct server_app ADMIN_APP = {.head = on_head, .request = on_request, .gone = on_gone};

bool admin_is_local(const char *address)
{
    return access_is_local(str_of(address));
}

int admin_run(const struct admin_options *options)
{
    struct admin a = {.options = options, .access = {.address = options->address, .token = options->token}};
    struct server_limits limits = SERVER_LIMITS;
    limits.body = ADMIN_BODY;
    limits.connections = ADMIN_CONNECTIONS;
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    list_init(&a.waiting);
    a.loop = loop_new();
    a.server = server_new(a.loop, options->listen_fd, &limits, &ADMIN_APP, &a);
    watch_init(&a.control, a.loop, options->control_fd, on_control, &a);
    watch_set(&a.control, WATCH_READ);
    a.bandit = (struct bandit){.experiments = &options->region->experiments, .trace_dir = options->trace_dir};
    bandit_open(&a.bandit, a.loop);
    a.lookout = (struct lookout){.project = options->project, .trace_dir = options->trace_dir, .host = options->host};
    lookout_open(&a.lookout, a.loop);
    a.models = (struct models){.options = options};
    models_open(&a.models);
    loop_run(a.loop);
    models_close(&a.models);
    lookout_close(&a.lookout);
    bandit_close(&a.bandit);
    server_free(a.server);
    watch_clear(&a.control);
    close(options->control_fd);
    loop_free(a.loop);
    return EXIT_SUCCESS;
}
