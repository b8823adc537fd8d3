#include "serve/answer.h"

#include <stdio.h>

#include "base/json.h"
#include "serve/chat.h"
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

const char *answer_type(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
    }
}

void answer_error(struct exchange *x, int status, const char *code, const char *more, const char *words)
{
    struct buf body = BUF(MAX_ANSWER);
    chat_write_error(&body, answer_type(status), str_of(words), NULL, code);
    exchange_reply(x, status, "application/json", str_of(more), buf_str(&body));
    buf_clear(&body);
}

static void write_model(struct buf *out, const char *prefix, const char *name, const char *owner)
{
    struct buf id = BUF(1024);
    buf_printf(&id, "%s%s", prefix, name);
    buf_puts(out, "{\"id\":");
    json_quote(out, buf_str(&id));
    buf_puts(out, ",\"object\":\"model\",\"created\":0,\"owned_by\":");
    json_quote(out, str_of(owner));
    buf_puts(out, "}");
    buf_clear(&id);
}

struct listing {
    struct buf out;
    struct str wanted; /* empty: all */
    int count;
};

static void list_one(struct listing *l, const char *prefix, const char *name, const char *owner)
{
    char id[1024];
    snprintf(id, sizeof id, "%s%s", prefix, name);
    if (l->wanted.len > 0 && !str_eq(l->wanted, id))
        return;
    if (l->count++ > 0)
        buf_putc(&l->out, ',');
    write_model(&l->out, prefix, name, owner);
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

void answer_models(struct exchange *x, const struct generation *g, struct str name)
{
    struct listing l = {.out = BUF(MAX_ANSWER), .wanted = name};
    if (name.len == 0)
        buf_puts(&l.out, "{\"object\":\"list\",\"data\":[");
    list_all(&l, g);
    if (name.len == 0)
        buf_puts(&l.out, "]}");
    if (l.count == 0 && name.len > 0)
        answer_error(x, 404, "model_not_found", "", "No such model here; GET /v1/models lists them.");
    else
        exchange_reply(x, 200, "application/json", str_of(""), buf_str(&l.out));
    buf_clear(&l.out);
}
