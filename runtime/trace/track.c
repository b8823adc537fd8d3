#include "trace/track.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

void track_add(struct track *t, uint64_t sequence)
{
    if (t->count > 0 && sequence <= t->sequences[t->count - 1])
        return;
    if (t->count == t->room) {
        t->room = t->room ? t->room * 2 : 16;
        t->sequences = xrealloc(t->sequences, sizeof *t->sequences * (size_t)t->room);
    }
    t->sequences[t->count++] = sequence;
}

static void free_list(struct decision **list)
{
    while (*list) {
        struct decision *d = *list;
        *list = d->next;
        decision_free(d);
    }
}

static void forget(struct track *t)
{
    for (int i = 0; i < TRACK_BUCKETS; i++)
        free_list(&t->open[i]);
    free_list(&t->lost);
    decision_free(t->peeked);
    t->peeked = NULL;
    if (t->segment)
        segment_free(t->segment);
    t->segment = NULL;
    t->at = t->run = t->last_seq = 0;
    t->is_damaged = false;
}

void track_rewind(struct track *t, int segments)
{
    forget(t);
    t->index = segments < t->count ? t->count - segments : 0;
}

void track_clear(struct track *t)
{
    forget(t);
    free(t->sequences);
}

uint64_t track_begins_us(const struct track *t, const char *dir)
{
    uint64_t us = UINT64_MAX;
    for (int i = t->index; i < t->count && us == UINT64_MAX; i++) {
        char path[4096];
        segment_path(path, sizeof path, dir, t->slot, t->sequences[i]);
        struct segment *s = segment_map(path, false, NULL);
        if (s && atomic_load(&s->head->state) != SEGMENT_PREPARED)
            us = s->head->wall_us;
        if (s)
            segment_free(s);
    }
    return us;
}

enum opened { OPENED, NOT_IN_USE, NOT_THERE };

static enum opened open_segment(struct track *t, const char *dir, struct reader_report *report)
{
    char path[4096];
    struct err err;
    segment_path(path, sizeof path, dir, t->slot, t->sequences[t->index]);
    struct segment *s = segment_map(path, false, &err);
    if (s == NULL) {
        if (err.kind == ERR_MALFORMED && report->unreadable++ == 0)
            snprintf(report->unreadable_why, sizeof report->unreadable_why, "%s", err.message);
        return NOT_THERE;
    }
    if (atomic_load(&s->head->state) == SEGMENT_PREPARED) {
        segment_free(s);
        return NOT_IN_USE;
    }
    report->segments++;
    t->segment = s;
    t->at = SEGMENT_FIRST;
    return OPENED;
}

/* Opens the first segment at or after index that can be read. The newest may have been made ahead: it stays for later. */
static bool advance(struct track *t, const char *dir, struct reader_report *report)
{
    for (; t->index < t->count; t->index++) {
        enum opened opened = open_segment(t, dir, report);
        if (opened == OPENED)
            return true;
        if (opened == NOT_IN_USE && t->index == t->count - 1)
            return false;
    }
    return false;
}

/* True when the writer will add nothing to this segment: it says so, or it writes to a later one. */
static bool has_ended(const struct track *t, const char *dir)
{
    if (atomic_load(&t->segment->head->state) == SEGMENT_ENDED)
        return true;
    for (int i = t->index + 1; i < t->count; i++) {
        char path[4096];
        segment_path(path, sizeof path, dir, t->slot, t->sequences[i]);
        struct segment *later = segment_map(path, false, NULL);
        bool is_used = later && atomic_load(&later->head->state) != SEGMENT_PREPARED;
        if (later)
            segment_free(later);
        if (is_used)
            return true;
    }
    return false;
}

static void leave_segment(struct track *t, bool is_torn, struct reader_report *report)
{
    report->torn += is_torn || atomic_load(&t->segment->head->torn);
    report->dropped += atomic_load(&t->segment->head->dropped);
    segment_free(t->segment);
    t->segment = NULL;
    t->index++;
}

const struct event_head *track_event(struct track *t, const char *dir, struct reader_report *report)
{
    const struct event_head *e;
    while (t->segment || advance(t, dir, report)) {
        int found = segment_walk(t->segment, &t->at, &e);
        if (found == 0 && !has_ended(t, dir))
            return NULL;
        if (found == 0) /* what came between the two looks */
            found = segment_walk(t->segment, &t->at, &e);
        if (found > 0) {
            if (t->last_seq && e->seq > t->last_seq + 1)
                *(t->is_damaged ? &report->damaged : &report->missed) += e->seq - t->last_seq - 1;
            t->is_damaged = false;
            t->last_seq = e->seq;
            return e;
        }
        t->is_damaged = segment_resume(t->segment, &t->at, t->last_seq);
        if (!t->is_damaged)
            leave_segment(t, found < 0, report);
    }
    return NULL;
}

static struct decision **place_of(struct track *t, uint64_t number)
{
    struct decision **at = &t->open[number % TRACK_BUCKETS];
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

static void lose(struct track *t, struct decision **at, bool want_lost)
{
    struct decision *d = *at, **end = &t->lost;
    *at = d->next;
    d->next = NULL;
    if (!want_lost) {
        decision_free(d);
        return;
    }
    while (*end)
        end = &(*end)->next;
    *end = d;
}

/* Another process goes on in this slot: what the earlier one left open will not end. */
static void begin_run(struct track *t, uint64_t run, bool want_lost)
{
    t->run = run;
    for (int i = 0; i < TRACK_BUCKETS; i++)
        while (t->open[i])
            lose(t, &t->open[i], want_lost);
}

/* The decision, taken out of the table, that this event ends; NULL while it goes on. */
static struct decision *collect(struct track *t, const struct event_head *e, bool want_lost)
{
    struct decision **at = place_of(t, e->decision);
    if (*at && e->type == EVENT_BEGIN)
        lose(t, at, want_lost);
    if (*at == NULL && e->type != EVENT_BEGIN && e->type != EVENT_DECISION)
        return NULL; /* of one whose beginning is not at hand: its end will say so */
    if (*at == NULL) {
        at = &t->open[e->decision % TRACK_BUCKETS];
        struct decision *d = decision_new(e->decision);
        d->next = *at;
        *at = d;
    }
    struct decision *d = *at;
    decision_add(d, t->segment->head, e);
    if (!d->is_finished)
        return NULL;
    *at = d->next;
    d->next = NULL;
    return d;
}

static struct decision *take_lost(struct track *t)
{
    struct decision *d = t->lost;
    t->lost = d->next;
    d->next = NULL;
    return d;
}

struct decision *track_next(struct track *t, const char *dir, bool want_lost, struct reader_report *report)
{
    while (t->lost == NULL) {
        const struct event_head *e = track_event(t, dir, report);
        if (e == NULL)
            return NULL;
        if (t->segment->head->run != t->run)
            begin_run(t, t->segment->head->run, want_lost);
        struct decision *ended = collect(t, e, want_lost);
        if (ended) {
            decision_build(ended);
            return ended;
        }
    }
    struct decision *lost = take_lost(t);
    decision_build(lost);
    return lost;
}

struct decision *track_unfinished(struct track *t)
{
    for (int i = 0; i < TRACK_BUCKETS; i++)
        if (t->open[i]) {
            struct decision *d = t->open[i];
            t->open[i] = d->next;
            d->next = NULL;
            decision_build(d);
            return d;
        }
    return NULL;
}
