#include "trace/decision.h"

#include <stdlib.h>

#include "base/alloc.h"

struct decision *decision_new(uint64_t number)
{
    struct decision *d = xcalloc(1, sizeof *d);
    d->number = number;
    d->raw = BUF(DECISION_MAX);
    d->arena = ARENA(DECISION_MAX);
    return d;
}

void decision_free(struct decision *d)
{
    if (d == NULL)
        return;
    buf_clear(&d->raw);
    arena_clear(&d->arena);
    for (int i = 0; i < d->count; i++)
        free(d->records[i].values);
    free(d->records);
    free(d);
}

void decision_add(struct decision *d, const struct segment_head *head, const struct event_head *event)
{
    uint64_t at_us = segment_wall_us(head, event);
    if (d->raw.len == 0) {
        d->began_us = at_us;
        d->slot = head->slot;
        d->run = head->run;
    }
    d->ended_us = at_us;
    d->has_begun |= event->type == EVENT_BEGIN;
    d->is_finished |= event->type == EVENT_DECISION;
    static const char zeros[8];
    uint32_t length = event->length, pad = -length & 7u;
    if (buf_room(&d->raw, length + pad) == NULL) {
        d->is_cut = true;
        return;
    }
    buf_append(&d->raw, event, length);
    buf_append(&d->raw, zeros, pad);
}

static struct record *add_record(struct decision *d, enum group g)
{
    if (d->count == d->room) {
        d->room = d->room ? d->room * 2 : 8;
        d->records = xrealloc(d->records, sizeof *d->records * (size_t)d->room);
    }
    d->records[d->count] = (struct record){.group = g};
    return &d->records[d->count++];
}

static void add_value(struct record *r, struct value value)
{
    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 8;
        r->values = xrealloc(r->values, sizeof *r->values * (size_t)r->room);
    }
    r->values[r->count++] = value;
}

static void add_int(struct record *r, enum field f, int64_t i)
{
    add_value(r, (struct value){.field = f, .kind = KIND_INT, .i = i});
}

static struct str cut_text(struct decision *d, struct str text)
{
    static const char mark[] = "… (cut)";
    char *copy = arena_alloc(&d->arena, text.len + sizeof mark);
    if (copy == NULL)
        return text;
    memcpy(copy, text.p, text.len);
    memcpy(copy + text.len, mark, sizeof mark);
    return str_n(copy, text.len + sizeof mark - 1);
}

static void add_fields(struct decision *d, struct record *r, const struct event_head *event)
{
    struct field_view v;
    for (uint32_t at = 0; event_walk(event, &at, &v);) {
        if (v.field >= FIELD_COUNT)
            continue; /* written by a newer wye */
        struct str text = v.kind == KIND_CUT ? cut_text(d, v.text) : v.text;
        enum field_kind kind = v.kind == KIND_CUT ? KIND_STR : v.kind;
        add_value(r, (struct value){(enum field)v.field, kind, v.i, v.num, text});
    }
}

/* What ATTEMPT_START began, when `event` carries its n. */
static struct record *begun_attempt(struct decision *d, const struct event_head *event)
{
    struct field_view v;
    for (uint32_t at = 0; event_walk(event, &at, &v);)
        if (v.field == F_N && v.kind == KIND_INT)
            for (int i = 1; i < d->count; i++) {
                const struct value *n = record_get(&d->records[i], F_N);
                if (d->records[i].group == GROUP_ATTEMPT && n && n->i == v.i)
                    return &d->records[i];
            }
    return NULL;
}

static void build_attempt(struct decision *d, const struct event_head *event, uint64_t began_ns)
{
    struct record *r = begun_attempt(d, event);
    if (r == NULL)
        r = add_record(d, GROUP_ATTEMPT);
    add_fields(d, r, event);
    if (event->type == EVENT_ATTEMPT_START)
        add_int(r, F_AT_US, (int64_t)(event->mono_ns - began_ns) / 1000);
    if (record_get(r, F_N) == NULL)
        add_int(r, F_N, decision_count(d, GROUP_ATTEMPT));
}

static void build_timed(struct decision *d, enum group g, const struct event_head *event, uint64_t began_ns)
{
    struct record *r = add_record(d, g);
    add_fields(d, r, event);
    add_int(r, F_AT_US, (int64_t)(event->mono_ns - began_ns) / 1000);
}

static void build_event(struct decision *d, const struct event_head *event, uint64_t began_ns)
{
    switch (event->type) {
    case EVENT_BEGIN:
    case EVENT_DECISION:
    case EVENT_CAPTURE:
        add_fields(d, &d->records[0], event);
        break;
    case EVENT_ATTEMPT_START:
    case EVENT_ATTEMPT:
        build_attempt(d, event, began_ns);
        break;
    case EVENT_CANDIDATE:
        add_fields(d, add_record(d, GROUP_CANDIDATE), event);
        break;
    case EVENT_ARM:
        add_fields(d, add_record(d, GROUP_ARM), event);
        break;
    case EVENT_NOTE:
        build_timed(d, GROUP_NOTE, event, began_ns);
        break;
    case EVENT_STEP:
        build_timed(d, GROUP_STEP, event, began_ns);
        break;
    default:
        break; /* written by a newer wye */
    }
}

void decision_build(struct decision *d)
{
    struct record *own = add_record(d, GROUP_DECISION);
    add_int(own, F_TS, (int64_t)d->began_us);
    add_int(own, F_WORKER, d->slot);
    add_int(own, F_CAPTURED, false); /* until its CAPTURE says otherwise */
    struct str state = str_of(d->is_finished ? "finished" : "unfinished");
    add_value(own, (struct value){.field = F_STATE, .kind = KIND_STR, .text = state});
    if (d->is_finished)
        add_int(own, F_US, (int64_t)(d->ended_us - d->began_us)); /* the writer's own goes before it */
    uint64_t began_ns = 0;
    for (size_t at = 0; at < d->raw.len;) {
        const struct event_head *event = (const struct event_head *)(d->raw.p + at);
        if (at == 0)
            began_ns = event->mono_ns;
        build_event(d, event, began_ns);
        at += (event->length + 7u) & ~7u;
    }
}

static void join_attempt(struct decision *d, const struct event_head *event)
{
    const struct event_head *first = (const struct event_head *)d->raw.p;
    struct record *r = add_record(d, GROUP_ATTEMPT);
    add_fields(d, r, event);
    const struct value *us = record_get(r, F_US);
    add_int(r, F_AT_US, (int64_t)(event->mono_ns - first->mono_ns) / 1000 - (us ? us->i : 0));
    add_int(r, F_N, decision_count(d, GROUP_ATTEMPT));
}

void decision_join(struct decision *d, const struct event_head *event, uint64_t wall_us)
{
    void *copy = arena_alloc(&d->arena, event->length);
    if (copy == NULL || d->raw.len == 0)
        return;
    event = memcpy(copy, event, event->length);
    if (event->type == EVENT_SHADOW_ATTEMPT) {
        join_attempt(d, event);
        return;
    }
    struct record *r = add_record(d, event->type == EVENT_SHADOW ? GROUP_SHADOW : GROUP_FEEDBACK);
    add_fields(d, r, event);
    if (event->type == EVENT_SCORE)
        add_int(r, F_TS, (int64_t)wall_us);
}

bool record_is_shadowed(const struct record *r)
{
    return str_eq(record_text(r, F_PURPOSE), "shadow");
}

const struct value *record_get(const struct record *r, enum field f)
{
    for (int i = r->count - 1; i >= 0; i--)
        if (r->values[i].field == f)
            return &r->values[i];
    return NULL;
}

struct str record_text(const struct record *r, enum field f)
{
    const struct value *v = record_get(r, f);
    return v && v->kind == KIND_STR ? v->text : str_n(NULL, 0);
}

bool record_number(const struct record *r, enum field f, double *out)
{
    const struct value *v = record_get(r, f);
    if (v == NULL || v->kind == KIND_STR)
        return false;
    *out = v->kind == KIND_NUM ? v->num : (double)v->i;
    if (field_types[f] == FIELD_MS)
        *out /= 1000;
    return true;
}

enum group group_home(enum group g)
{
    if (g == GROUP_LIMIT || g == GROUP_CAPTURE)
        return GROUP_DECISION;
    return g == GROUP_USAGE ? GROUP_ATTEMPT : g;
}

const struct record *decision_next(const struct decision *d, enum group g, int *i)
{
    g = group_home(g);
    while (*i < d->count) {
        const struct record *r = &d->records[(*i)++];
        if (r->group == g)
            return r;
    }
    return NULL;
}

int decision_count(const struct decision *d, enum group g)
{
    int count = 0;
    for (int i = 0; decision_next(d, g, &i);)
        count++;
    return count;
}

int decision_attempts(const struct decision *d)
{
    int count = 0;
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));)
        count += !record_is_shadowed(r);
    return count;
}
