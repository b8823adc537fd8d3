#include "serve/admission.h"

#include "base/clock.h"
#include "serve/router_state.h"
#include "serve/turnaway.h"

static void show(struct router *r, unsigned limit)
{
    atomic_store_explicit(&r->stats->counters[STAT_ADMISSION_LIMIT], limit, memory_order_relaxed);
}

void admission_use(struct router *r)
{
    const struct config *c = r->live->config;
    pace_reset(&r->pace, c->limits.adaptive ? c->limits.concurrent : 0, clock_ns());
    show(r, c->limits.adaptive ? r->pace.limit : c->limits.concurrent);
}

static bool refuse(struct router *r, struct exchange *x, const char *words)
{
    if (r->options.region)
        limited_count(&r->options.region->limited, LIMITED_SERVER);
    return turnaway(r, x, &(struct turned){503, "overloaded", NULL, "server", NULL, "Retry-After: 1\r\n", words});
}

/* Takes first and looks then: requests that arrive at several workers at once cannot all find the last place free. */
static bool take_place(struct router *r)
{
    struct stats_board *board = r->options.board;
    stats_add(r->stats, STAT_IN_FLIGHT, 1);
    unsigned before = atomic_fetch_add_explicit(&board->in_flight, 1, memory_order_relaxed);
    return before < r->live->config->limits.concurrent;
}

static void give_place(struct router *r)
{
    atomic_fetch_sub_explicit(&r->options.board->in_flight, 1, memory_order_relaxed);
    stats_add(r->stats, STAT_IN_FLIGHT, -1);
}

static bool take_bytes(struct router *r, uint64_t n)
{
    stats_add(r->stats, STAT_IN_FLIGHT_BYTES, (int64_t)n);
    uint64_t before = atomic_fetch_add_explicit(&r->options.board->in_flight_bytes, n, memory_order_relaxed);
    return before + n <= (uint64_t)r->live->config->limits.in_flight_mb << 20;
}

static void give_bytes(struct router *r, uint64_t n)
{
    atomic_fetch_sub_explicit(&r->options.board->in_flight_bytes, n, memory_order_relaxed);
    stats_add(r->stats, STAT_IN_FLIGHT_BYTES, -(int64_t)n);
}

static bool refuse_bytes(struct router *r, struct exchange *x, uint64_t n)
{
    give_bytes(r, n);
    return refuse(r, x, "The requests in flight already fill limits.in_flight_mb of this server. Try again shortly.");
}

bool admission_enter(struct router *r, struct exchange *x)
{
    const struct http_head *head = exchange_head(x);
    uint64_t bytes = head->framing == HTTP_LENGTH ? head->length : 0;
    if (r->pace.ceiling && !pace_admits(&r->pace, r->running))
        return refuse(r, x, "The models behind this server are slower than usual: it takes fewer requests at once (limits.adaptive). Try again shortly.");
    if (!take_place(r)) {
        give_place(r);
        return refuse(r, x, "This server already serves limits.concurrent requests. Try again shortly.");
    }
    if (!take_bytes(r, bytes)) {
        give_place(r);
        return refuse_bytes(r, x, bytes);
    }
    r->running++;
    exchange_set_ticket(x, bytes + 1);
    return true;
}

bool admission_grow(struct router *r, struct exchange *x, size_t size)
{
    uint64_t counted = exchange_ticket(x);
    if (counted == 0)
        return true;
    uint64_t more = size + 1 - counted;
    if (!take_bytes(r, more))
        return refuse_bytes(r, x, more);
    exchange_set_ticket(x, size + 1);
    return true;
}

void admission_leave(struct router *r, struct exchange *x)
{
    give_bytes(r, exchange_ticket(x) - 1);
    give_place(r);
    r->running--;
}

void admission_served(const struct request *rq)
{
    struct router *r = rq->router;
    if (r->pace.ceiling && rq->served && rq->status == 200 && pace_served(&r->pace, rq->started_ns, rq->ended_ns))
        show(r, r->pace.limit);
}
