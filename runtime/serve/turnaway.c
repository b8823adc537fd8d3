#include "serve/turnaway.h"

#include <string.h>

#include "base/clock.h"
#include "serve/answer.h"
#include "serve/refusal.h"
#include "serve/router_state.h"
#include "serve/toll.h"

enum { RECORDED_A_SECOND = 16 };

static bool is_recorded(struct router *r)
{
    uint64_t second = clock_ns() / 1000000000;
    if (r->turned_second != second) {
        r->turned_second = second;
        r->turned = 0;
    }
    return r->options.trace && r->turned++ < RECORDED_A_SECOND;
}

static void record(struct router *r, const struct exchange *x, const struct turned *t, const char *id, uint64_t number)
{
    struct event *e = event_open(r->options.trace, EVENT_BEGIN, number);
    event_z(e, F_ID, id);
    event_int(e, F_GENERATION, r->live->id);
    event_z(e, F_HASH, r->live->hash);
    event_close(e);
    e = event_open(r->options.trace, EVENT_DECISION, number);
    if (t->limit) {
        event_z(e, F_CAUSE, "limit");
        event_z(e, F_LIMIT_HIT, t->limit);
    }
    event_int(e, F_US, (int64_t)(clock_ns() - exchange_started(x)) / 1000);
    event_int(e, F_STATUS, t->status);
    if (t->key)
        event_z(e, F_KEY, t->key->name);
    event_z(e, F_WHY, t->words);
    event_close(e);
}

bool turnaway(struct router *r, struct exchange *x, const struct turned *t)
{
    char id[20];
    bool is_named = is_recorded(r);
    stats_add(r->stats, STAT_REFUSED, 1);
    if (is_named) {
        uint64_t number = router_number(r);
        router_write_id(r, number, id);
        toll_own(r, t->key);
        record(r, x, t, id, number);
    }
    answer_refusal(r, x, &(struct refusal){t->status, t->code, t->param, is_named ? id : NULL, str_of(t->words)}, t->limit ? "limit" : NULL, t->more);
    return false;
}
