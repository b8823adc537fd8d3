#include "serve/answer.h"

#include <stdio.h>

#include "base/json.h"
#include "serve/refusal.h"
#include "serve/router_state.h"
#include "serve/turnaway.h"

enum { MAX_ANSWER = 1 << 20 };

struct str answer_digits(unsigned n, char *end)
{
    char *at = end;
    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return str_n(at, (size_t)(end - at));
}

struct str answer_fields(struct request *rq, const char *more)
{
    char generation[12], attempts[12];
    const struct str parts[] = {STR("x-wye-id: "), str_of(rq->id), STR("\r\nx-wye-route: "), str_of(rq->route ? rq->route->name : "-"),
                                STR("\r\nx-wye-generation: "), answer_digits(rq->generation->id, generation + sizeof generation),
                                STR("\r\nx-wye-model: "), str_of(rq->served ? rq->served->id : "-"),
                                STR("\r\nx-wye-cause: "), str_of(rq->cause ? rq->cause : "-"),
                                STR("\r\nx-wye-attempts: "), answer_digits((unsigned)rq->attempts, attempts + sizeof attempts),
                                STR("\r\n"), str_of(recall_field(rq)), str_of(more)};
    return arena_concat(rq->scope.view.arena, parts, sizeof parts / sizeof *parts);
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

static struct str bare_fields(struct router *r, struct exchange *x, const char *id, const char *cause, const char *more)
{
    char generation[12];
    const struct str parts[] = {STR("x-wye-id: "), str_of(id ? id : "-"),
                                STR("\r\nx-wye-route: -\r\nx-wye-generation: "), answer_digits(r->live->id, generation + sizeof generation),
                                STR("\r\nx-wye-model: -\r\nx-wye-cause: "), str_of(cause ? cause : "-"),
                                STR("\r\nx-wye-attempts: 0\r\n"), str_of(more)};
    return arena_concat(exchange_arena(x), parts, sizeof parts / sizeof *parts);
}

void answer_json(struct router *r, struct exchange *x, int status, const char *more, struct str body)
{
    exchange_reply(x, status, "application/json", bare_fields(r, x, NULL, NULL, more), body);
}

void answer_refusal(struct router *r, struct exchange *x, const struct refusal *refusal, const char *cause, const char *more)
{
    struct buf body = BUF(MAX_ANSWER);
    refusal_write(&body, refusal_protocol(exchange_head(x)), refusal);
    exchange_reply(x, refusal->status, "application/json", bare_fields(r, x, refusal->id, cause, more), buf_str(&body));
    buf_clear(&body);
}

void answer_error(struct router *r, struct exchange *x, int status, const char *code, const char *more, const char *words)
{
    answer_refusal(r, x, &(struct refusal){.status = status, .code = code, .words = str_of(words)}, NULL, more);
}

void answer_count(struct router *r, struct exchange *x)
{
    struct view v;
    const char *param;
    struct err err;
    if (view_init(&v, PROTOCOL_MESSAGES, "", exchange_head(x), exchange_body(x), exchange_arena(x), &param, &err) < 0) {
        turnaway(r, x, &(struct turned){.status = 400, .param = param, .more = "", .words = err.message});
        return;
    }
    const char *body = arena_printf(exchange_arena(x), "{\"input_tokens\":%lld}", (long long)v.tokens);
    answer_json(r, x, 200, "", str_of(body));
}
