#include "serve/plan.h"

#include <math.h>

#include <xxhash.h>

#include "base/clock.h"
#include "serve/fit.h"
#include "serve/journal.h"
#include "serve/router_state.h"
#include "serve/vitals.h"

enum { GUESSED_REPLY_TOKENS = 256, EXPLORE_EACH = 20 };

static void settle(struct request *rq, int i, const char *why)
{
    rq->plan.settled |= 1u << i;
    journal_candidate(rq, rq->decision.models[i], "passed_over", why);
}

static bool is_settled(const struct request *rq, int i)
{
    return rq->plan.settled >> i & 1;
}

static void pass_over_unfit(struct request *rq)
{
    struct decision *d = &rq->decision;
    struct arena *arena = rq->scope.view.arena;
    for (int i = 0; i < d->count; i++) {
        bool is_drained = vitals_is_drained(rq, d->models[i]);
        const char *why = is_drained ? "drained" : fit_problem(rq, d->models[i], NULL);
        if (why == NULL)
            continue;
        settle(rq, i, why);
        rq->plan.is_drained |= is_drained;
        rq->plan.refused = rq->plan.refused ? arena_printf(arena, "%s; %s: %s", rq->plan.refused, d->models[i]->id, why)
                                            : arena_printf(arena, "%s: %s", d->models[i]->id, why);
        bool is_context = str_starts(str_of(why), "context");
        rq->plan.code = is_context && rq->plan.code == NULL ? "context_length_exceeded" : is_context ? rq->plan.code : "no_usable_model";
    }
}

/* ---- order ---- */

static double unit_of(uint64_t bits)
{
    return ((double)(bits >> 11) + 0.5) / 9007199254740992.0; /* 2^53: in (0, 1) */
}

static double cost_of(const struct request *rq, const struct model *m, int64_t reply_tokens)
{
    if (!m->has_price)
        return INFINITY;
    return m->price[PRICE_INPUT] * (double)rq->scope.view.tokens + m->price[PRICE_OUTPUT] * (double)reply_tokens;
}

/* Microseconds; those who have not been asked for a while are tried first now and then, else last. */
static double latency_of(struct request *rq, const struct model *m)
{
    const struct health_target *t = vitals_of(rq, m);
    const struct health_times *times = rq->scope.view.stream ? &t->first_token : &t->duration;
    if (health_is_stale(times, clock_ms()))
        return router_random(rq->router) % EXPLORE_EACH == 0 ? 0 : INFINITY;
    return health_p50(times);
}

static void rank_by_order(struct request *rq, double *ranks)
{
    const struct decision *d = &rq->decision;
    int64_t reply = (int64_t)rq->scope.view.max_tokens;
    for (int i = 0; i < d->count; i++) {
        if (d->order == BY_COST)
            ranks[i] = cost_of(rq, d->models[i], reply ? reply : GUESSED_REPLY_TOKENS);
        else if (d->order == BY_LATENCY)
            ranks[i] = latency_of(rq, d->models[i]);
        else
            ranks[i] = health_busy(vitals_of(rq, d->models[i]));
    }
}

static struct str sticky_unit(struct request *rq)
{
    if (rq->decision.sticky == STICKY_NONE)
        return str_n(NULL, 0);
    return rq->decision.sticky == STICKY_USER ? view_user(&rq->scope.view) : view_conversation(&rq->scope.view);
}

/*
 * Weighted random order: ascending exponentials over the weights (Efraimidis and Spirakis 2006). With numbers drawn from the hash of unit and model
 * instead of chance it is weighted rendezvous hashing (Thaler and Ravishankar 1998): taking a model away moves only its own units.
 */
static void rank_by_draw(struct request *rq, struct str unit, double *ranks)
{
    const struct decision *d = &rq->decision;
    uint64_t seed = unit.p ? XXH3_64bits(unit.p, unit.len) : 0;
    for (int i = 0; i < d->count; i++) {
        const char *id = d->models[i]->id;
        uint64_t bits = unit.p ? XXH3_64bits_withSeed(id, strlen(id), seed) : router_random(rq->router);
        double weight = d->weights ? d->weights[i] : 1;
        ranks[i] = weight > 0 ? -log(unit_of(bits)) / weight : INFINITY;
    }
}

/* Stable: equals stay as listed. */
static void sort_models(struct request *rq, double *ranks)
{
    struct decision *d = &rq->decision;
    double weights[DECISION_MAX_MODELS] = {0};
    for (int i = 0; i < d->count; i++)
        weights[i] = d->weights ? d->weights[i] : 1;
    for (int i = 1; i < d->count; i++) {
        const struct model *m = d->models[i];
        double rank = ranks[i], weight = weights[i];
        int at = i;
        for (; at > 0 && rank < ranks[at - 1]; at--) {
            d->models[at] = d->models[at - 1];
            ranks[at] = ranks[at - 1];
            weights[at] = weights[at - 1];
        }
        d->models[at] = m;
        ranks[at] = rank;
        weights[at] = weight;
    }
    for (int i = 0; i < d->count; i++)
        if (weights[i] == 0)
            settle(rq, i, "weight 0");
}

static void arrange(struct request *rq)
{
    static const char *const ORDERS[] = {NULL, "by cost", "by latency", "least busy first"};
    const struct decision *d = &rq->decision;
    double ranks[DECISION_MAX_MODELS];
    struct str unit = sticky_unit(rq);
    if (d->order != BY_LIST) {
        rank_by_order(rq, ranks);
        rq->plan.moved = ORDERS[d->order];
    } else if (unit.p || d->weights) {
        rank_by_draw(rq, unit, ranks);
        rq->plan.moved = !unit.p ? "by weight" : d->sticky == STICKY_USER ? "by user" : "by conversation";
    } else {
        return;
    }
    sort_models(rq, ranks);
}

bool plan_open(struct request *rq)
{
    const struct decision *d = &rq->decision;
    rq->plan = (struct plan){0};
    if (d->order != BY_LIST || d->sticky || d->weights)
        arrange(rq);
    pass_over_unfit(rq);
    while (is_settled(rq, rq->plan.first))
        rq->plan.first++;
    if (rq->plan.first < d->count)
        return true;
    if (rq->plan.refused == NULL)
        rq->plan.refused = "nothing but weights of 0";
    return false;
}

/* ---- turns ---- */

static const char *cooling_words(struct request *rq, uint64_t ms)
{
    char until[32];
    if (ms == 0)
        return "cooling: another request probes it";
    return arena_printf(rq->scope.view.arena, "cooling until %s", clock_format(clock_wall_us() + ms * 1000, until, sizeof until));
}

static int try_now(struct request *rq, int i)
{
    rq->plan.settled |= 1u << i;
    rq->plan.tried++;
    return i;
}

/* The one that may be called first again. */
static int last_resort(struct request *rq, uint64_t now)
{
    int best = -1;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < rq->decision.count; i++) {
        uint64_t ms = is_settled(rq, i) ? UINT64_MAX : vitals_cooling_ms(rq, rq->decision.models[i], now);
        if (ms >= least)
            continue;
        least = ms;
        best = i;
    }
    return best;
}

/* For an answer without a client: what cools stays unasked, and nobody's turn to probe it is taken. */
static int next_for_answer(struct request *rq)
{
    uint64_t now = clock_ms();
    for (int i = 0; i < rq->decision.count; i++)
        if (!is_settled(rq, i) && vitals_cooling_ms(rq, rq->decision.models[i], now) == 0)
            return try_now(rq, i);
    return -1;
}

int plan_next(struct request *rq)
{
    const struct decision *d = &rq->decision;
    int found = -1;
    if (rq->run)
        return next_for_answer(rq);
    if (d->count == 1)
        return is_settled(rq, 0) ? -1 : try_now(rq, 0);
    uint64_t now = clock_ms();
    for (int i = 0; i < d->count && found < 0; i++) {
        if (!is_settled(rq, i) && vitals_is_drained(rq, d->models[i]))
            settle(rq, i, "drained"); /* since the list was made */
        if (!is_settled(rq, i) && vitals_pick(rq, d->models[i], now, &rq->credential) != HEALTH_COOLING)
            found = i;
    }
    if (found < 0)
        rq->credential = NULL;
    int resort = found < 0 && rq->plan.tried == 0 ? last_resort(rq, now) : found;
    int until = found < 0 ? d->count : found;
    for (int i = 0; i < until; i++)
        if (i != resort && !is_settled(rq, i))
            settle(rq, i, cooling_words(rq, vitals_cooling_ms(rq, d->models[i], now)));
    return resort < 0 ? -1 : try_now(rq, resort);
}

void plan_record_rest(struct request *rq, const char *why)
{
    for (int i = 0; i < rq->decision.count; i++)
        if (!is_settled(rq, i))
            settle(rq, i, why);
}
