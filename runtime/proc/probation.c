#include "proc/probation.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proc/reload.h"

enum { PROBATION_MS = 30 * 1000, PROBATION_TICK_MS = 200, PROBATION_REQUESTS = 50 };

static const double PROBATION_POINTS = 0.02;

static double rate_of(struct tally t)
{
    return t.requests ? (double)t.script_errors / (double)t.requests : 0;
}

static void go_back(struct reload *r, unsigned from)
{
    if (!reload_go_back(r, from))
        log_error("no earlier generation is ready: generation %u goes on", from);
}

static void on_tick(void *arg)
{
    struct probation *p = arg;
    struct reload *r = p->reload;
    if (p->id != r->live || clock_ms() > p->until_ms) {
        p->id = 0;
        return;
    }
    timer_set(&p->tick, PROBATION_TICK_MS);
    struct tally now = warm_tally(r->board, p->id);
    double before = rate_of(warm_tally(r->board, r->previous));
    bool is_worse = now.requests >= PROBATION_REQUESTS && rate_of(now) > before + PROBATION_POINTS;
    if (!is_worse || r->phase != RELOAD_IDLE)
        return;
    log_error("generation %u: %.1f %% script errors over %llu requests, %.1f %% before it: going back", p->id,
              100 * rate_of(now), (unsigned long long)now.requests, 100 * before);
    unsigned left = p->id;
    p->id = 0;
    go_back(r, left);
}

void probation_open(struct probation *p, struct reload *r)
{
    *p = (struct probation){.reload = r};
    timer_init(&p->tick, r->loop, on_tick, p);
}

void probation_close(struct probation *p)
{
    timer_clear(&p->tick);
}

void probation_begin(struct probation *p)
{
    p->id = p->reload->live;
    p->until_ms = clock_ms() + PROBATION_MS;
    timer_set(&p->tick, PROBATION_TICK_MS);
}

void probation_end(struct probation *p)
{
    p->id = 0;
    timer_cancel(&p->tick);
}

bool probation_refuses(const struct probation *p, const char *hash)
{
    for (unsigned i = 0; i < PROBATION_REFUSED; i++)
        if (strcmp(p->refused[i], hash) == 0)
            return true;
    return false;
}

void probation_leave(struct probation *p)
{
    struct reload *r = p->reload;
    struct warm *live = warm_find(&r->warm, r->live);
    if (live && live->is_quarantined && r->phase == RELOAD_IDLE)
        go_back(r, live->id);
}

void probation_blame(struct probation *p, unsigned id)
{
    struct reload *r = p->reload;
    struct warm *w = warm_find(&r->warm, id);
    rollout_step_back(&r->rollout, id, "its script hung a worker");
    if (!w || ++w->kills < WARM_KILLS || w->is_quarantined)
        return;
    w->is_quarantined = true;
    memcpy(p->refused[p->refused_count++ % PROBATION_REFUSED], w->hash, sizeof w->hash);
    log_error("generation %u hung workers %u times: quarantined until its files change", w->id, w->kills);
    if (r->phase == RELOAD_USING)
        reload_take_back(r);
    else
        probation_leave(p);
}
