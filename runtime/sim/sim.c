#include "sim/sim.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "sim/sim_reply.h"
#include "sim/sim_script.h"

enum { REPLY_CEILING = 64 * 1024 * 1024 };

struct sim {
    struct loop *loop;
    struct server *server;
    struct sim_models models;
    struct sim_faults faults;
};

/* ---- asking a model ---- */

static void refuse(struct exchange *x, const struct sim_wire *wire, int status, const char *message)
{
    struct buf body = BUF(8192);
    wire->error(&body, status, message, -1);
    exchange_reply(x, status, "application/json", str_n("", 0), buf_str(&body));
    buf_clear(&body);
}

/* The rule that applies, or what the model's rates throw. */
static struct sim_fault choose_fault(struct sim *sim, struct str provider,
                                     const struct sim_ask *ask, const struct sim_model *m,
                                     uint64_t *dice)
{
    const struct sim_fault *rule = sim_fault_for(&sim->faults, provider, ask->model);
    if (rule)
        return *rule;
    struct sim_fault by_chance = {.retry_after = -1};
    bool is_limited = m->rate_limit_rate > 0 && sim_model_dice(dice) < m->rate_limit_rate;
    bool is_failing = m->error_rate > 0 && sim_model_dice(dice) < m->error_rate;
    if (is_limited || is_failing) {
        by_chance.kind = SIM_FAULT_STATUS;
        by_chance.status = is_limited ? 429 : 500;
        by_chance.retry_after = is_limited ? 1 : -1;
    }
    return by_chance;
}

static void render(struct sim_reply *r, const struct sim_wire *wire, const struct sim_ask *ask,
                   uint64_t seed, enum sim_fault_kind kind)
{
    struct sim_answer *answers = xcalloc((size_t)ask->choices, sizeof *answers);
    for (int i = 0; i < ask->choices; i++) {
        answers[i] = sim_answer_make(ask, r->model, seed, i);
        if (kind == SIM_FAULT_CONTENT_FILTER)
            sim_answer_cut(&answers[i], answers[i].count / 3, SIM_FILTERED);
        if (kind == SIM_FAULT_ROLE_ONLY)
            sim_answer_cut(&answers[i], 0, answers[i].finish);
    }
    if (ask->is_stream)
        wire->frames(&r->frames, ask, answers);
    else
        wire->whole(&r->plain, ask, answers);
    for (int i = 0; i < ask->choices; i++)
        sim_answer_clear(&answers[i]);
    free(answers);
}

static void answer(struct sim *sim, struct exchange *x, const struct sim_wire *wire,
                   struct str provider, const struct sim_ask *ask)
{
    struct sim_model *m = sim_model_find(&sim->models, ask->model);
    uint64_t dice = sim_model_hash(sim->models.seed + m->requests++, str_of(m->name));
    struct sim_fault fault = choose_fault(sim, provider, ask, m, &dice);
    double latency = sim_model_latency(m, ask->is_stream, &dice);
    struct sim_reply *r = arena_alloc(exchange_arena(x), sizeof *r);
    *r = (struct sim_reply){
        .x = x,
        .model = m,
        .play = ask->is_stream ? SIM_PLAY_STREAM : SIM_PLAY_PLAIN,
        .is_stream = ask->is_stream,
        .status = 200,
        .type = ask->is_stream ? "text/event-stream; charset=utf-8" : "application/json",
        .retry_after = -1,
        .plain = BUF(REPLY_CEILING),
        .frames = {.text = BUF(REPLY_CEILING)},
        .content_gap_ms = m->tokens_per_second > 0 ? 1000 / m->tokens_per_second : 0,
        .dice = dice,
    };
    exchange_set_owner(x, r);
    render(r, wire, ask, sim->models.seed, fault.kind);
    if (fault.kind != SIM_FAULT_NONE) {
        m->faults++;
        sim_broken_apply(r, wire, &fault);
    }
    sim_reply_start(r, sim->loop, latency);
}

static bool read_ask(struct exchange *x, const struct sim_wire *wire, struct str path, struct sim_ask *ask)
{
    struct err err;
    struct str body = exchange_body(x);
    if (json_validate(body, &err) == 0 && wire->read(path, body, exchange_arena(x), ask, &err) == 0)
        return true;
    refuse(x, wire, 400, err.message);
    return false;
}

static void count_tokens(struct exchange *x, struct str path)
{
    struct sim_ask ask;
    struct buf body = BUF(64);
    if (!read_ask(x, &SIM_ANTHROPIC, path, &ask))
        return;
    buf_printf(&body, "{\"input_tokens\":%zu}", sim_prompt_tokens(&ask));
    exchange_reply(x, 200, "application/json", str_n("", 0), buf_str(&body));
    buf_clear(&body);
}

/* ---- the other endpoints ---- */

static void list_models(struct sim *sim, struct exchange *x)
{
    struct buf body = BUF(4 * 1024 * 1024);
    buf_puts(&body, "{\"object\":\"list\",\"data\":[");
    const char *before = "";
    LIST_EACH (it, &sim->models.all) {
        const struct sim_model *m = LIST_ENTRY(it, struct sim_model, link);
        buf_printf(&body, "%s{\"id\":", before);
        json_quote(&body, str_of(m->name));
        buf_puts(&body, ",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"sim\"");
        if (m->price)
            buf_printf(&body, ",\"price\":%s", m->price);
        buf_putc(&body, '}');
        before = ",";
    }
    buf_puts(&body, "]}");
    exchange_reply(x, 200, "application/json", str_n("", 0), buf_str(&body));
    buf_clear(&body);
}

static void set_faults(struct sim *sim, struct exchange *x)
{
    struct err err;
    struct str body = exchange_body(x);
    struct str list = str_n(NULL, 0);
    if (json_validate(body, &err) == 0)
        list = json_get(body, "faults");
    if (!list.p)
        err_set(&err, ERR_BAD_REQUEST,
                "send {\"faults\":[{\"model\":\"*\",\"kind\":\"429\",\"times\":1}]}");
    if (!list.p || sim_faults_add(&sim->faults, list, &err) < 0)
        refuse(x, &SIM_OPENAI, 400, err.message);
    else
        exchange_reply(x, 200, "application/json", str_n("", 0), str_of("{\"ok\":true}"));
}

static void clear_faults(struct sim *sim, struct exchange *x)
{
    sim_faults_clear(&sim->faults);
    exchange_reply(x, 200, "application/json", str_n("", 0), str_of("{\"ok\":true}"));
}

static void show_stats(struct sim *sim, struct exchange *x)
{
    struct buf body = BUF(4 * 1024 * 1024);
    sim_models_stats(&sim->models, &body);
    exchange_reply(x, 200, "application/json", str_n("", 0), buf_str(&body));
    buf_clear(&body);
}

/* ---- requests ---- */

static bool ends_with(struct str s, const char *end)
{
    size_t len = strlen(end);
    return s.len >= len && memcmp(s.p + s.len - len, end, len) == 0;
}

/* "/openai/v1/chat/completions" with `end` at the end of it, or after it: "openai". */
static struct str provider_of(struct str path, const char *end)
{
    static const char *const VERSIONS[] = {"/v1", "/v1beta"};
    path.len = (size_t)((const char *)memmem(path.p, path.len, end, strlen(end)) - path.p);
    for (int i = 0; i < 2; i++)
        if (ends_with(path, VERSIONS[i]))
            path.len -= strlen(VERSIONS[i]);
    return path.len > 0 ? str_n(path.p + 1, path.len - 1) : path;
}

/* Which wire the path is of, and where its own part begins; NULL: of none. */
static const struct sim_wire *wire_of(struct str path, const char **own)
{
    if (ends_with(path, *own = "/chat/completions"))
        return &SIM_OPENAI;
    if (ends_with(path, *own = "/embeddings"))
        return &SIM_EMBEDDINGS;
    if (ends_with(path, *own = "/messages"))
        return &SIM_ANTHROPIC;
    if (ends_with(path, ":batchEmbedContents") && memmem(path.p, path.len, *own = "/models/", 8))
        return &SIM_GEMINI_EMBEDDINGS;
    bool is_gemini = ends_with(path, ":generateContent") || ends_with(path, ":streamGenerateContent");
    return is_gemini && memmem(path.p, path.len, *own = "/models/", 8) ? &SIM_GEMINI : NULL;
}

/* Whether the request asks a model, which is then answered. */
static bool ask(struct sim *sim, struct exchange *x, struct str path)
{
    struct sim_ask ask;
    const char *own;
    const struct sim_wire *wire = wire_of(path, &own);
    if (wire && read_ask(x, wire, path, &ask))
        answer(sim, x, wire, provider_of(path, own), &ask);
    return wire != NULL;
}

static void on_request(void *ctx, struct exchange *x)
{
    struct sim *sim = ctx;
    const struct http_head *head = exchange_head(x);
    const char *query = memchr(head->target.p, '?', head->target.len);
    struct str path =
        query ? str_n(head->target.p, (size_t)(query - head->target.p)) : head->target;
    bool is_post = str_eq(head->method, "POST"), is_get = str_eq(head->method, "GET");
    if (is_post && ask(sim, x, path))
        return;
    if (ends_with(path, "/messages/count_tokens") && is_post)
        count_tokens(x, path);
    else if (ends_with(path, "/models") && is_get)
        list_models(sim, x);
    else if (str_eq(path, "/sim/faults") && is_post)
        set_faults(sim, x);
    else if (str_eq(path, "/sim/faults") && str_eq(head->method, "DELETE"))
        clear_faults(sim, x);
    else if (str_eq(path, "/sim/stats") && is_get)
        show_stats(sim, x);
    else
        refuse(x, &SIM_OPENAI, 404,
               "the simulator has POST /v1/chat/completions, /v1/embeddings, /v1/messages, /v1/messages/count_tokens, /v1beta/models/NAME:generateContent "
               "and :streamGenerateContent, GET /v1/models, POST and DELETE /sim/faults, GET /sim/stats");
}

static void on_gone(void *ctx, struct exchange *x)
{
    (void)ctx;
    sim_reply_gone(exchange_owner(x));
}

static void on_drained(void *ctx, struct exchange *x)
{
    (void)ctx;
    sim_reply_drained(exchange_owner(x));
}

/* ---- life ---- */

static void on_stop(void *arg)
{
    loop_stop(arg);
}

/* As a child of `wye serve` it outlives the signals: the workers drain what they have asked it. */
static void serve(struct sim *sim, int fd, bool is_child)
{
    static const struct server_app app = {.request = on_request, .gone = on_gone, .drained = on_drained};
    struct server_limits limits = SERVER_LIMITS;
    limits.connections = 100000;
    sim->loop = loop_new();
    sim->server = server_new(sim->loop, fd, &limits, &app, sim);
    if (!is_child) {
        loop_on_signal(sim->loop, SIGTERM, on_stop, sim->loop);
        loop_on_signal(sim->loop, SIGINT, on_stop, sim->loop);
    }
    loop_run(sim->loop);
    server_free(sim->server);
    loop_free(sim->loop);
}

static int load(struct sim *sim, const struct sim_options *options, struct err *err)
{
    sim_models_init(&sim->models);
    sim_faults_init(&sim->faults);
    return options->script ? sim_script_load(options->script, &sim->models, &sim->faults, err) : 0;
}

static void clear(struct sim *sim)
{
    sim_faults_clear(&sim->faults);
    sim_models_clear(&sim->models);
}

int sim_serve(int fd, const struct sim_options *options, struct err *err)
{
    struct sim sim = {0};
    int result = load(&sim, options, err);
    if (result == 0)
        serve(&sim, fd, true);
    else
        close(fd);
    clear(&sim);
    return result;
}

int sim_run(const struct sim_options *options, struct err *err)
{
    struct sim sim = {0};
    char name[160];
    int fd = -1;
    int result = load(&sim, options, err);
    if (result == 0)
        result = fd = listen_open(options->listen, false, err);
    if (fd >= 0) {
        listen_name(fd, name, sizeof name);
        printf(options->prints_json ? "{\"ready\":true,\"listen\":\"%s%s\"}\n" : "wye sim: ready %s%s\n", strncmp(name, "unix:", 5) ? "http://" : "", name);
        fflush(stdout);
        serve(&sim, fd, false);
        result = 0;
    }
    clear(&sim);
    return result;
}
