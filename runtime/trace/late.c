#include "trace/late.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "trace/lookup.h"

struct late_event {
    unsigned slot; /* of the decision */
    uint64_t number, wall_us;
    size_t at; /* of its copy in `raw` */
};

struct late {
    struct buf raw;
    struct late_event *events; /* by decision, then time */
    size_t count, room;
};

static void add(struct late *l, struct late_event event, const struct event_head *e)
{
    static const char zeros[8];
    event.at = l->raw.len;
    if (buf_append(&l->raw, e, e->length) < 0)
        return;
    buf_append(&l->raw, zeros, -e->length & 7u);
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        l->events = xrealloc(l->events, sizeof *l->events * l->room);
    }
    l->events[l->count++] = event;
}

static void consider(struct late *l, const struct segment_head *head, const struct event_head *e)
{
    struct late_event event = {.slot = head->slot, .number = e->decision, .wall_us = segment_wall_us(head, e)};
    bool is_score = e->type == EVENT_SCORE;
    if (is_score ? lookup_id(event_text(e, F_ID), &event.slot, &event.number) : e->type == EVENT_SHADOW || e->type == EVENT_SHADOW_ATTEMPT)
        add(l, event, e);
}

static void read_segment(struct late *l, const struct segment *s)
{
    const struct event_head *e;
    for (uint64_t at = SEGMENT_FIRST, seq = 0; segment_next(s, &at, &seq, &e);)
        consider(l, s->head, e);
}

/* Newest first: the one that was begun before that moment is the last which can hold something later. */
static void read_slot(struct late *l, const char *dir, const struct segment_name *names, int count, uint64_t since_us)
{
    bool is_before = false;
    for (int i = count - 1; i >= 0 && !is_before; i--) {
        char path[4096];
        segment_path(path, sizeof path, dir, names[i].slot, names[i].sequence);
        struct segment *s = segment_map(path, false, NULL);
        if (s == NULL)
            continue;
        bool is_used = atomic_load(&s->head->state) != SEGMENT_PREPARED;
        if (is_used)
            read_segment(l, s);
        is_before = is_used && s->head->wall_us < since_us;
        segment_free(s);
    }
}

static int by_decision(const struct late_event *a, const struct late_event *b)
{
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static int in_order(const void *one, const void *other)
{
    const struct late_event *a = one, *b = other;
    int order = by_decision(a, b);
    if (order)
        return order;
    if (a->wall_us != b->wall_us)
        return a->wall_us < b->wall_us ? -1 : 1;
    return a->at < b->at ? -1 : 1; /* as they lie in their segment */
}

struct late *late_read(const char *dir, uint64_t since_us)
{
    struct late *l = xcalloc(1, sizeof *l);
    struct segment_name *names = NULL;
    int count = segment_list(dir, -1, &names, NULL);
    l->raw = BUF(SIZE_MAX - 1);
    for (int from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && names[to].slot == names[from].slot;)
            to++;
        read_slot(l, dir, names + from, to - from, since_us);
    }
    free(names);
    if (l->count > 0)
        qsort(l->events, l->count, sizeof *l->events, in_order);
    return l;
}

void late_free(struct late *l)
{
    if (l == NULL)
        return;
    buf_clear(&l->raw);
    free(l->events);
    free(l);
}

static bool is_scored(const struct decision *d, struct str metric)
{
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_FEEDBACK, &i));)
        if (str_same(record_text(r, F_METRIC), metric))
            return true;
    return false;
}

/* The first that is not before it. */
static size_t find(const struct late *l, const struct late_event *wanted)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_decision(&l->events[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void late_join(const struct late *l, struct decision *d)
{
    struct late_event wanted = {.slot = d->slot, .number = d->number};
    for (size_t i = find(l, &wanted); i < l->count && by_decision(&l->events[i], &wanted) == 0; i++) {
        const struct event_head *e = (const struct event_head *)(l->raw.p + l->events[i].at);
        if (e->type != EVENT_SCORE || !is_scored(d, event_text(e, F_METRIC)))
            decision_join(d, e, l->events[i].wall_us);
    }
}
