#include "proc/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/version.h"

/* Who waits for an outcome. The admin process may have been replaced when it comes. */
struct asker {
    struct control *control;
    uint64_t ticket;
};

static void quote(struct buf *out, const char *before, const char *text)
{
    buf_puts(out, before);
    json_quote(out, str_of(text ? text : ""));
}

/* Whole, because who asks may stand in another folder. */
static void quote_folder(struct buf *out, const char *before, const char *path)
{
    char *whole = path ? realpath(path, NULL) : NULL;
    quote(out, before, whole ? whole : path);
    free(whole);
}

/* ---- answers ---- */

static void answer(struct control *c, uint64_t ticket, int status, const struct buf *json)
{
    struct control_reply head = {.ticket = ticket, .status = (uint32_t)status, .length = (uint32_t)json->len};
    struct iovec parts[] = {{&head, sizeof head}, {json->p, json->len}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
    if (c->socket >= 0 && sendmsg(c->socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_warn("the admin process does not take an answer: %s", strerror(errno));
}

/* "routes/route.lua:3: message" with its place taken out. */
static void write_error(struct buf *out, const char *error)
{
    const char *colon = strchr(error, ':');
    char *after = NULL;
    long line = colon ? strtol(colon + 1, &after, 10) : 0;
    bool has_place = line > 0 && after[0] == ':' && after[1] == ' ' && colon - error < 200;
    quote(out, ",\"error\":{\"message\":", has_place ? after + 2 : error);
    if (!has_place) {
        buf_puts(out, "}");
        return;
    }
    buf_puts(out, ",\"file\":");
    json_quote(out, str_n(error, (size_t)(colon - error)));
    buf_printf(out, ",\"line\":%ld}", line);
}

/* The lines that specs and replay said. */
static void write_gates(struct buf *out, const char *told)
{
    buf_puts(out, ",\"gates\":[");
    for (const char *line = told; *line;) {
        size_t len = strcspn(line, "\n");
        buf_puts(out, line == told ? "" : ",");
        json_quote(out, str_n(line, len));
        line += len + (line[len] != '\0');
    }
    buf_puts(out, "]");
}

static void write_outcome(struct buf *out, const struct reload_outcome *o)
{
    buf_printf(out, "{\"ok\":%s", o->status == 200 ? "true" : "false");
    quote(out, ",\"message\":", o->message);
    if (o->generation)
        buf_printf(out, ",\"generation\":%u,\"hash\":\"%s\"", o->generation, o->hash);
    if (o->status == 200)
        buf_printf(out, ",\"unchanged\":%s", o->is_unchanged ? "true" : "false");
    else
        write_error(out, o->error[0] ? o->error : o->message);
    write_gates(out, o->gates);
    buf_puts(out, "}\n");
}

static void on_outcome(void *arg, const struct reload_outcome *o)
{
    struct asker *asker = arg;
    struct buf json = BUF(CONTROL_MAX);
    write_outcome(&json, o);
    answer(asker->control, asker->ticket, o->status, &json);
    buf_clear(&json);
    free(asker);
}

/* ---- status ---- */

static const char *const STATES[] = {"down", "starting", "serving", "draining"};

static void write_workers(struct buf *out, const struct control *c)
{
    const struct crew *crew = c->reload->crew;
    for (unsigned i = 0; i < crew->count; i++) {
        const struct crew_slot *s = &crew->slots[i];
        const struct stats_slot *stats = &c->reload->board->slots[i];
        buf_printf(out, "%s{\"slot\":%u,\"pid\":%d,\"state\":\"%s\",\"restarts\":%u,\"generation\":%u", i ? "," : "",
                   i + 1, (int)s->pid, STATES[s->state], atomic_load(&c->reload->host->workers[i].restarts), s->live);
        buf_printf(out, ",\"requests\":%llu,\"in_flight\":%llu,\"connections\":%llu}",
                   (unsigned long long)atomic_load(&stats->counters[STAT_REQUESTS]),
                   (unsigned long long)atomic_load(&stats->counters[STAT_IN_FLIGHT]),
                   (unsigned long long)atomic_load(&stats->counters[STAT_CONNECTIONS]));
    }
}

static const char *state_name(const struct reload *r, const struct warm *w)
{
    if (w->is_quarantined)
        return "quarantined";
    if (w->id == r->live)
        return "live";
    if (w->id == rollout_id(&r->rollout))
        return "canary";
    return w->id == r->changing ? "loading" : "warm";
}

static void write_generations(struct buf *out, struct reload *r)
{
    const char *comma = "";
    for (unsigned id = 1; id <= r->warm.newest; id++) {
        const struct warm *w = warm_find(&r->warm, id);
        if (!w)
            continue;
        char at[32];
        struct tally t = warm_tally(r->board, id);
        buf_printf(out, "%s{\"id\":%u,\"hash\":\"%s\",\"state\":\"%s\",\"loaded_at\":\"%s\"", comma, id, w->hash,
                   state_name(r, w), clock_format(w->loaded_us, at, sizeof at));
        buf_printf(out, ",\"requests\":%llu,\"script_errors\":%llu,\"files\":%d}", (unsigned long long)t.requests,
                   (unsigned long long)t.script_errors, w->files);
        comma = ",";
    }
}

static bool is_ready(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++)
        if (crew->slots[i].state != WORKER_SERVING)
            return false;
    return crew->count > 0;
}

static void write_trace(struct buf *out, const struct stats_board *board)
{
    uint64_t events = 0, dropped = 0;
    for (unsigned i = 0; i < atomic_load(&board->workers); i++) {
        events += atomic_load(&board->slots[i].counters[STAT_TRACE_EVENTS]);
        dropped += atomic_load(&board->slots[i].counters[STAT_TRACE_DROPPED]);
    }
    buf_printf(out, ",\"trace\":{\"events\":%llu,\"dropped\":%llu}", (unsigned long long)events,
               (unsigned long long)dropped);
}

static void write_status(struct buf *out, const struct control *c)
{
    struct reload *r = c->reload;
    buf_printf(out, "{\"version\":\"" WYE_VERSION "\",\"pid\":%d,\"uptime_s\":%llu", (int)getpid(),
               (unsigned long long)(clock_ms() - c->started_ms) / 1000);
    quote(out, ",\"listen\":", c->listen);
    quote(out, ",\"admin\":", c->admin);
    quote(out, ",\"project\":", c->options->project);
    quote_folder(out, ",\"project_dir\":", c->options->project);
    buf_printf(out, ",\"demo\":%s", c->options->is_demo ? "true" : "false");
    quote_folder(out, ",\"trace_dir\":", c->options->trace_dir);
    quote_folder(out, ",\"state_dir\":", c->options->state_dir);
    buf_printf(out, ",\"generation\":%u,\"ready\":%s,\"workers\":[", r->live, is_ready(r->crew) ? "true" : "false");
    write_workers(out, c);
    buf_puts(out, "],\"generations\":[");
    write_generations(out, r);
    buf_puts(out, "],\"canary\":");
    rollout_write(out, &r->rollout);
    write_trace(out, r->board);
    buf_puts(out, "}\n");
}

static void answer_status(struct control *c, uint64_t ticket)
{
    struct buf json = BUF(CONTROL_MAX - sizeof(struct control_reply));
    write_status(&json, c);
    answer(c, ticket, 200, &json);
    buf_clear(&json);
}

/* ---- requests ---- */

/* What the one who asks leaves open is as the server was started. */
static void reload(struct reload *r, const struct control_request *q, struct asker *asker)
{
    struct gates gates = r->gates;
    if (q->skip)
        gates.skip = q->skip;
    if (q->has_max_change)
        gates.max_change = q->max_change;
    reload_gated(r, &gates, q->force, on_outcome, asker);
}

static void obey(struct control *c, const struct control_request *q)
{
    if (q->verb == CONTROL_STATUS) {
        answer_status(c, q->ticket);
        return;
    }
    struct asker *asker = xmalloc(sizeof *asker);
    *asker = (struct asker){c, q->ticket};
    switch (q->verb) {
    case CONTROL_RELOAD: reload(c->reload, q, asker); break;
    case CONTROL_LOAD: reload_start(c->reload, false, q->force, on_outcome, asker); break;
    case CONTROL_USE: reload_use(c->reload, q->generation, on_outcome, asker); break;
    case CONTROL_PERCENT: reload_percent(c->reload, q->generation, q->percent, on_outcome, asker); break;
    case CONTROL_ROLLBACK: reload_rollback(c->reload, on_outcome, asker); break;
    case CONTROL_DROP: reload_drop(c->reload, q->generation, on_outcome, asker); break;
    default: free(asker);
    }
}

static void on_request(void *arg, int events)
{
    (void)events;
    struct control *c = arg;
    struct control_request q;
    ssize_t n;
    while ((n = recv(c->socket, &q, sizeof q, MSG_DONTWAIT)) == sizeof q)
        obey(c, &q);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        watch_set(&c->watch, 0); /* it is ending: SIGCHLD follows */
}

void control_open(struct control *c, int socket)
{
    control_close(c);
    c->socket = socket;
    watch_init(&c->watch, c->loop, socket, on_request, c);
    watch_set(&c->watch, WATCH_READ);
}

void control_close(struct control *c)
{
    if (c->socket < 0)
        return;
    watch_clear(&c->watch);
    close(c->socket);
    c->socket = -1;
}
