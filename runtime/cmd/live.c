#include "cmd/live.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "bind/derive.h"
#include "net/fetch.h"
#include "serve/usage.h"
#include "serve/wire.h"

enum { REPLY_MOST = 40 << 20, ASK_MS = 60 * 1000, PIECES = 16 };

static volatile sig_atomic_t interrupted;
static volatile pid_t server; /* of the only run that there is */

/* The call under way ends with the server that makes it. */
static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
    if (server > 0)
        kill(-server, SIGKILL);
}

bool live_is_interrupted(void)
{
    return interrupted;
}

static int read_amount(const char *text, const char *name, double *out, struct err *err)
{
    char *end;
    *out = text ? strtod(text, &end) : 0;
    if (!text || (*end == '\0' && end != text && *out > 0 && isfinite(*out)))
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "%s: a number above 0 is needed, not '%s'", name, text);
}

int live_options(struct live *live, const struct options *o, struct err *err)
{
    const char *idle = o->usd ? "--usd" : o->seconds ? "--seconds" : o->demo ? "--demo" : NULL;
    if (!o->live && idle)
        return err_set(err, ERR_BAD_REQUEST, "%s needs --live: nothing is asked without it", idle);
    return read_amount(o->usd, "--usd", &live->usd, err) < 0 ? -1 : read_amount(o->seconds, "--seconds", &live->seconds, err);
}

/* ---- the server ---- */

static void route_of(const struct config *c, const struct model *m, char *out, size_t size)
{
    snprintf(out, size, "wye-ask-%d", (int)(model_base(m) - c->models));
}

/* A route for each model: its answer is that model's, whatever clients may name themselves. */
int live_open(struct live *live, struct generation *g, bool is_demo, struct err *err)
{
    const struct config *c = g->config;
    struct private_file *routes = xcalloc((size_t)c->model_count, sizeof *routes);
    struct sigaction action = {.sa_handler = on_interrupt};
    for (int i = 0; i < c->model_count; i++) {
        char name[64];
        route_of(c, &c->models[i], name, sizeof name);
        snprintf(routes[i].path, sizeof routes[i].path, "%s.lua", name);
        snprintf(routes[i].text, sizeof routes[i].text, "local model = wye.model \"%.200s\"\nreturn function() return model end\n", c->models[i].id);
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int failed = private_open(&live->server, g->files, routes, c->model_count, is_demo, err);
    free(routes);
    server = failed ? 0 : live->server.pid;
    live->until_ms = live->seconds > 0 ? clock_ms() + (uint64_t)(live->seconds * 1000) : 0;
    return failed;
}

void live_close(struct live *live)
{
    server = 0;
    private_close(&live->server);
}

/* ---- one ask ---- */

static struct str body_of(struct trial *t, const struct trial_ask *ask)
{
    char name[64], quoted[80];
    struct iovec pieces[PIECES];
    struct buf body = BUF(REPLY_MOST);
    route_of(t->generation->config, ask->model, name, sizeof name);
    snprintf(quoted, sizeof quoted, "\"wye/%s\"", name);
    const struct json_edit edits[] = {{"model", str_of(quoted)}, {"stream", {NULL, 0}}, {"stream_options", {NULL, 0}}};
    int count = json_splice(trial_body(t, ask), edits, 3, &t->arena, pieces, PIECES);
    for (int i = 0; i < count; i++)
        buf_append(&body, pieces[i].iov_base, pieces[i].iov_len);
    struct str copy = count > 0 ? arena_str(&t->arena, buf_str(&body)) : str_n(NULL, 0);
    buf_clear(&body);
    return copy;
}

/* wye's own errors name their kind; those of providers come as they are. */
static void read_failure(struct reply *r, int status, struct str text, struct arena *arena)
{
    struct err err = {0};
    bool is_json = json_validate(text, NULL) == 0;
    struct str code = is_json ? json_text(json_pointer(text, "/error/code"), arena) : str_n(NULL, 0);
    enum err_kind named = code.p ? err_kind_of(code.p) : ERR_NONE;
    wire_error(status, is_json ? text : str_of("{}"), &err);
    trial_fault(r, named != ERR_NONE ? named : err.kind);
    r->status = status;
    memcpy(r->err.message, err.message, sizeof r->err.message);
}

static void read_answer(struct reply *r, struct str text, struct arena *arena)
{
    r->status = 200;
    r->body = arena_str(arena, text);
    r->usage = usage_read(json_get(r->body, "usage"));
    r->usd = usage_usd(&r->usage, r->model);
}

static unsigned time_for(const struct live *live, const struct trial_ask *ask)
{
    uint64_t ms = ask->options.timeout_ms ? ask->options.timeout_ms : ASK_MS, now = clock_ms();
    if (live->until_ms)
        ms = live->until_ms - now < ms ? live->until_ms - now : ms;
    return (unsigned)ms;
}

static bool may_ask(struct live *live)
{
    if (interrupted)
        live->stopped = "interrupted";
    else if (live->usd > 0 && live->spent >= live->usd)
        live->stopped = "--usd is spent";
    else if (live->until_ms && clock_ms() >= live->until_ms)
        live->stopped = "--seconds are over";
    return live->stopped == NULL;
}

static void call(struct live *live, struct trial *t, struct trial_ask *ask, struct str body)
{
    struct reply *r = ask->reply;
    struct buf text = BUF(REPLY_MOST);
    struct err err;
    int status = 0;
    uint64_t began = clock_ms();
    int failed = fetch(live->server.address, "POST", "/v1/chat/completions", body, NULL, time_for(live, ask), &text, &status, &err);
    r->ms = (unsigned)(clock_ms() - began);
    if (failed)
        trial_fault(r, err.kind);
    else if (status == 200 && json_validate(buf_str(&text), NULL) == 0)
        read_answer(r, buf_str(&text), &t->arena);
    else
        read_failure(r, status, buf_str(&text), &t->arena);
    buf_clear(&text);
}

int live_ask(void *arg, struct trial *t, struct trial_ask *ask)
{
    struct live *live = arg;
    struct str body = may_ask(live) ? body_of(t, ask) : str_n(NULL, 0);
    if (body.p == NULL)
        return -1;
    call(live, t, ask, body);
    if (interrupted) {
        live->stopped = "interrupted";
        return -1;
    }
    live->asked++;
    live->failed += ask->reply->err.kind != ERR_NONE;
    live->spent += ask->reply->usd;
    return 0;
}
