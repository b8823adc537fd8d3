#include "serve/budget.h"

#include "base/clock.h"
#include "serve/request.h"

enum { EARLY_MS = 10 }; /* deadlines count from the loop's time, which is a little behind */

static int64_t left_ms(const struct request *rq)
{
    return (int64_t)(rq->scope.limit.seconds * 1000) - (int64_t)((clock_ns() - rq->started_ns) / 1000000);
}

static bool refuse(struct request *rq, struct err *err, const char *hit, const char *words)
{
    rq->limit_hit = hit;
    err_set(err, ERR_LIMIT, "%s", words);
    return false;
}

/* What the call would take at the least: the prompt, and the reply as far as the client bounds it. */
static int64_t guess_tokens(const struct request *rq)
{
    return rq->scope.view.tokens + (int64_t)rq->scope.view.max_tokens;
}

static double guess_usd(const struct request *rq, const struct model *m)
{
    if (!m->has_price)
        return 0;
    return (m->price[PRICE_INPUT] * (double)rq->scope.view.tokens + m->price[PRICE_OUTPUT] * (double)rq->scope.view.max_tokens) / 1e6;
}

bool budget_allows(struct request *rq, const struct model *model, struct err *err)
{
    const struct limit *l = &rq->scope.limit;
    struct arena *arena = rq->scope.view.arena;
    if (!l->is_set)
        return true;
    if (l->seconds >= 0 && left_ms(rq) <= 0)
        return refuse(rq, err, "seconds", arena_printf(arena, "req:limit: the %g seconds are used up", l->seconds));
    if (l->attempts >= 0 && rq->attempts >= l->attempts)
        return refuse(rq, err, "attempts", arena_printf(arena, "req:limit: the %d attempts are used up", l->attempts));
    double usd = guess_usd(rq, model);
    if (l->usd >= 0 && (rq->usd >= l->usd || rq->usd + rq->reserved_usd + usd > l->usd))
        return refuse(rq, err, "usd", arena_printf(arena, "req:limit: %.6g of %.6g US dollars are spent or promised, %s needs about %.6g more",
                                                   rq->usd + rq->reserved_usd, l->usd, model->id, usd));
    if (l->tokens >= 0 && rq->tokens + rq->reserved_tokens + guess_tokens(rq) > l->tokens)
        return refuse(rq, err, "tokens", arena_printf(arena, "req:limit: %lld of %lld tokens are used or promised, %s needs about %lld more",
                                                      (long long)(rq->tokens + rq->reserved_tokens), (long long)l->tokens,
                                                      model->id, (long long)guess_tokens(rq)));
    return true;
}

unsigned budget_ms(const struct request *rq, unsigned ms)
{
    if (!rq->scope.limit.is_set || rq->scope.limit.seconds < 0)
        return ms;
    int64_t left = left_ms(rq);
    if (left < 1)
        left = 1;
    return ms == 0 || left < ms ? (unsigned)left : ms;
}

void budget_began(struct attempt *a)
{
    struct request *rq = a->request;
    if (!rq->scope.limit.is_set)
        return;
    a->reserved_usd = guess_usd(rq, a->model);
    a->reserved_tokens = guess_tokens(rq);
    rq->reserved_usd += a->reserved_usd;
    rq->reserved_tokens += a->reserved_tokens;
}

void budget_ended(struct attempt *a)
{
    struct request *rq = a->request;
    for (int i = 0; a->usage.is_known && i < PRICE_BUCKETS; i++)
        rq->tokens += a->usage.tokens[i];
    if (!rq->scope.limit.is_set)
        return;
    rq->reserved_usd -= a->reserved_usd;
    rq->reserved_tokens -= a->reserved_tokens;
    if (a->err.kind != ERR_TIMEOUT || rq->scope.limit.seconds < 0 || left_ms(rq) > EARLY_MS)
        return;
    rq->limit_hit = "seconds";
    err_set(&a->err, ERR_LIMIT, "req:limit: the %g seconds are used up", rq->scope.limit.seconds);
}
