#include "serve/answer.h"

#include <stdio.h>

#include "base/json.h"
#include "serve/refusal.h"
#include "serve/request.h"

enum { MAX_ANSWER = 1 << 20 };

const char *answer_digits(unsigned n, char *end)
{
    *--end = '\0';
    do
        *--end = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return end;
}

struct str answer_fields(struct request *rq, const char *more)
{
    char generation[12], attempts[12];
    return arena_join(rq->scope.view.arena, "x-wye-id: ", rq->id, "\r\nx-wye-route: ",
                      rq->route ? rq->route->name : "-", "\r\nx-wye-generation: ",
                      answer_digits(rq->generation->id, generation + sizeof generation), "\r\nx-wye-model: ",
                      rq->served ? rq->served->id : "-", "\r\nx-wye-cause: ", rq->cause ? rq->cause : "-",
                      "\r\nx-wye-attempts: ", answer_digits((unsigned)rq->attempts, attempts + sizeof attempts), "\r\n",
                      recall_field(rq), more, (char *)NULL);
}

int answer_status(enum err_kind kind)
{
    switch (kind) {
    case ERR_RATE_LIMIT: return 429;
    case ERR_OVERLOADED: return 503;
    case ERR_TIMEOUT: return 504;
    case ERR_BAD_REQUEST:
    case ERR_CONTENT_FILTER: return 400;
    case ERR_LIMIT: return 402;
    case ERR_SCRIPT:
    case ERR_SYSTEM: return 500;
    default: return 502;
    }
}

void answer_refusal(struct exchange *x, const struct refusal *refusal, const char *more)
{
    struct buf body = BUF(MAX_ANSWER);
    refusal_write(&body, refusal_protocol(exchange_head(x)), refusal);
    exchange_reply(x, refusal->status, "application/json", str_of(more), buf_str(&body));
    buf_clear(&body);
}

void answer_error(struct exchange *x, int status, const char *code, const char *more, const char *words)
{
    answer_refusal(x, &(struct refusal){.status = status, .code = code, .words = str_of(words)}, more);
}

void answer_count(struct exchange *x)
{
    struct view v;
    const char *param;
    struct err err;
    if (view_init(&v, PROTOCOL_MESSAGES, "", exchange_head(x), exchange_body(x), exchange_arena(x), &param, &err) < 0) {
        answer_refusal(x, &(struct refusal){.status = 400, .param = param, .words = str_of(err.message)}, "");
        return;
    }
    const char *body = arena_printf(exchange_arena(x), "{\"input_tokens\":%lld}", (long long)v.tokens);
    exchange_reply(x, 200, "application/json", str_of(""), str_of(body));
}

/* Anthropic's clients want a date; none is known. */
static void write_model(struct buf *out, bool is_anthropic, struct str id, const char *owner)
{
    buf_puts(out, is_anthropic ? "{\"type\":\"model\",\"id\":" : "{\"id\":");
    json_quote(out, id);
    buf_puts(out, is_anthropic ? ",\"display_name\":" : ",\"object\":\"model\",\"created\":0,\"owned_by\":");
    json_quote(out, is_anthropic ? id : str_of(owner));
    buf_puts(out, is_anthropic ? ",\"created_at\":\"1970-01-01T00:00:00Z\"}" : "}");
}

struct listing {
    struct buf out;
    struct str wanted; /* empty: all */
    bool is_anthropic;
    char first[1024], last[1024];
    int count;
};

static void list_one(struct listing *l, const char *prefix, const char *name, const char *owner)
{
    char id[1024];
    snprintf(id, sizeof id, "%s%s", prefix, name);
    if (l->wanted.len > 0 && !str_eq(l->wanted, id))
        return;
    memcpy(l->last, id, sizeof id);
    if (l->count++ > 0)
        buf_putc(&l->out, ',');
    else
        memcpy(l->first, id, sizeof id);
    write_model(&l->out, l->is_anthropic, str_of(id), owner);
}

static void list_all(struct listing *l, const struct generation *g)
{
    if (generation_route(g, str_of("route")))
        list_one(l, "", "auto", "wye");
    for (int i = 0; i < g->route_count; i++)
        list_one(l, "wye/", g->routes[i].name, "wye");
    for (int i = 0; i < g->config->alias_count; i++)
        list_one(l, "", g->config->aliases[i].name, "wye");
    for (int i = 0; g->config->direct && i < g->config->model_count; i++) {
        const struct model *m = &g->config->models[i];
        if (!m->is_implied || g->options->sim_url)
            list_one(l, "", m->id, m->provider->name);
    }
}

static void close_list(struct listing *l)
{
    if (!l->is_anthropic) {
        buf_puts(&l->out, "]}");
        return;
    }
    buf_puts(&l->out, "],\"has_more\":false,\"first_id\":");
    json_quote(&l->out, str_of(l->first));
    buf_puts(&l->out, ",\"last_id\":");
    json_quote(&l->out, str_of(l->last));
    buf_putc(&l->out, '}');
}

void answer_models(struct exchange *x, const struct generation *g, struct str name)
{
    struct listing l = {.out = BUF(MAX_ANSWER), .wanted = name};
    l.is_anthropic = http_field(exchange_head(x), "anthropic-version").p != NULL;
    if (name.len == 0)
        buf_puts(&l.out, l.is_anthropic ? "{\"data\":[" : "{\"object\":\"list\",\"data\":[");
    list_all(&l, g);
    if (name.len == 0)
        close_list(&l);
    if (l.count == 0 && name.len > 0)
        answer_error(x, 404, "model_not_found", "", "No such model here; GET /v1/models lists them.");
    else
        exchange_reply(x, 200, "application/json", str_of(""), buf_str(&l.out));
    buf_clear(&l.out);
}
