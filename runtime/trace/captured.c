#include "trace/captured.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "trace/reader.h"

enum { CAPTURED_ARENA = 64 << 20 };

struct captures {
    struct reader *reader;
    uint64_t since_us;
    struct decision *held; /* what `now` looks into */
    struct decision **newest;
    int newest_count, newest_at;
    struct captured now;
    struct arena arena;
};

/* ---- one decision ---- */

static void read_usage(struct captured_usage *u, const struct value *v)
{
    static const enum field FIELDS[CAPTURED_BUCKETS] = {F_INPUT, F_CACHE_READ, F_CACHE_WRITE, F_OUTPUT, F_REASONING};
    for (int i = 0; i < CAPTURED_BUCKETS; i++)
        if (v->field == FIELDS[i]) {
            u->is_known = true;
            u->tokens[i] = v->i;
        }
}

static void read_step_value(struct captured_step *s, const struct value *v)
{
    switch (v->field) {
    case F_STEP: s->kind = v->text; break;
    case F_TEXT: s->key = v->text; break;
    case F_VALUE: s->value = v->text; break;
    case F_MODEL: s->model = v->text; break;
    case F_REPLY: s->reply = v->text; break;
    case F_ERROR: s->error = v->text; break;
    case F_WHY: s->why = v->text; break;
    case F_REASON: s->reason = v->text; break;
    case F_LINE: s->line = v->text; break;
    case F_N: s->n = (int)v->i; break;
    case F_STATUS: s->status = (int)v->i; break;
    case F_FLAGS: s->flags = (unsigned)v->i; break;
    case F_AT_US: s->at_us = (uint64_t)v->i; break;
    case F_US: s->us = (uint64_t)v->i; break;
    case F_USD: s->usd = v->num; break;
    default: read_usage(&s->usage, v);
    }
}

static struct captured_step *read_steps(struct captured *c, const struct decision *d, struct arena *arena)
{
    int count = decision_count(d, GROUP_STEP);
    struct captured_step *steps = arena_need(arena, sizeof *steps * (size_t)(count + 1)), *s = steps;
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_STEP, &i)); s++)
        for (int k = 0; k < r->count; k++)
            read_step_value(s, &r->values[k]);
    c->steps = steps;
    c->step_count = count;
    return steps;
}

static void read_own_value(struct captured *c, const struct value *v, struct str *masks)
{
    switch (v->field) {
    case F_ID: c->id = v->text; break;
    case F_ROUTE: c->route = v->text; break;
    case F_REQUESTED: c->requested = v->text; break;
    case F_SERVED: c->served = v->text; break;
    case F_REASON: c->reason = v->text; break;
    case F_LINE: c->line = v->text; break;
    case F_ERROR: c->error = v->text; break;
    case F_REQUEST: c->request = v->text; break;
    case F_HEADERS: c->headers = v->text; break;
    case F_REPLY: c->reply = v->text; break;
    case F_MASKED: masks[c->mask_count++] = v->text; break;
    case F_TOKENS: c->tokens = v->i; break;
    case F_FLAGS:
        c->has_image = v->i & 1;
        c->protocol = (int)(v->i >> 1);
        break;
    case F_STATUS: c->status = (int)v->i; break;
    case F_USD: c->usd = v->num; break;
    default: break;
    }
}

/* The usage of the attempt whose reply the client got. */
static void read_served(struct captured *c, const struct decision *d)
{
    const struct record *a;
    for (int i = 0; (a = decision_next(d, GROUP_ATTEMPT, &i));) {
        const struct value *served = record_get(a, F_DID_SERVE);
        for (int k = 0; served && served->i && k < a->count; k++)
            read_usage(&c->served_usage, &a->values[k]);
    }
}

static void read_scores(struct captured *c, const struct decision *d, struct arena *arena)
{
    const struct record *r;
    struct captured_score *s = arena_need(arena, sizeof *s * (size_t)(decision_count(d, GROUP_FEEDBACK) + 1));
    c->scores = s;
    for (int i = 0; (r = decision_next(d, GROUP_FEEDBACK, &i));) {
        s[c->score_count].metric = record_text(r, F_METRIC);
        c->score_count += record_number(r, F_SCORE, &s[c->score_count].value) && s[c->score_count].metric.p;
    }
}

static void read_arms(struct captured *c, const struct decision *d, struct captured_step *steps)
{
    const struct record *arm;
    double p;
    for (int i = 0; (arm = decision_next(d, GROUP_ARM, &i));) {
        if (!record_number(arm, F_P, &p) || p <= 0)
            continue;
        c->weight /= p;
        c->unit = c->unit.p ? c->unit : record_text(arm, F_UNIT);
        for (int k = 0; k < c->step_count; k++)
            if (str_eq(steps[k].kind, "arm") && str_same(steps[k].key, record_text(arm, F_EXPERIMENT)))
                steps[k].p = p;
    }
}

static const struct captured *read_decision(struct captures *all, struct decision *d)
{
    struct captured *c = &all->now;
    const struct record *own = &d->records[0];
    decision_free(all->held);
    all->held = d;
    arena_reset(&all->arena);
    *c = (struct captured){.number = d->number, .began_us = d->began_us, .is_cut = d->is_cut, .weight = 1};
    struct str *masks = arena_need(&all->arena, sizeof *masks * (size_t)own->count);
    c->masks = masks;
    for (int i = 0; i < own->count; i++)
        read_own_value(c, &own->values[i], masks);
    read_arms(c, d, read_steps(c, d, &all->arena));
    read_served(c, d);
    read_scores(c, d, &all->arena);
    return c;
}

/* ---- all of them ---- */

struct captures *captures_open(const char *dir, uint64_t since_us, struct err *err)
{
    struct reader *reader = reader_open(dir, err);
    if (reader == NULL)
        return NULL;
    struct captures *all = xcalloc(1, sizeof *all);
    all->reader = reader;
    all->since_us = since_us;
    all->arena = ARENA(CAPTURED_ARENA);
    return all;
}

const struct captured *captures_next(struct captures *all)
{
    if (all->newest) {
        if (all->newest_at == all->newest_count)
            return NULL;
        return read_decision(all, all->newest[all->newest_at++]);
    }
    for (struct decision *d; (d = reader_next(all->reader));) {
        if (d->began_us >= all->since_us)
            return read_decision(all, d);
        decision_free(d);
    }
    return NULL;
}

void captures_join(struct captures *all)
{
    reader_join(all->reader);
}

void captures_recent(struct captures *all, int segments)
{
    reader_recent(all->reader, segments);
}

static bool is_captured(void *ctx, const struct decision *d)
{
    const struct captures *all = ctx;
    return d->began_us >= all->since_us && record_get(&d->records[0], F_REQUEST);
}

void captures_newest(struct captures *all, int count, int segments)
{
    reader_within(all->reader, segments);
    all->newest = xcalloc((size_t)count, sizeof *all->newest);
    all->newest_count = reader_newest(all->reader, count, is_captured, all, all->newest);
}

uint64_t captures_last(struct captures *all)
{
    struct decision *newest;
    if (reader_newest(all->reader, 1, NULL, NULL, &newest) == 0)
        return 0;
    uint64_t began_us = newest->began_us;
    decision_free(newest);
    return began_us;
}

const struct captured *captures_find(struct captures *all, struct str id, struct err *err)
{
    struct decision *d = reader_find(all->reader, id, err);
    return d ? read_decision(all, d) : NULL;
}

int captures_problems(const struct captures *all, struct buf *out)
{
    uint64_t headless = reader_report(all->reader).headless;
    if (headless)
        buf_printf(out, "%" PRIu64 " decision%s whose beginning is no longer kept\n", headless, headless == 1 ? "" : "s");
    return reader_words(out, all->reader) + (headless != 0);
}

void captures_close(struct captures *all)
{
    for (int i = all->newest_at; i < all->newest_count; i++)
        decision_free(all->newest[i]);
    free(all->newest);
    decision_free(all->held);
    arena_clear(&all->arena);
    reader_close(all->reader);
    free(all);
}
