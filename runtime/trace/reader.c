#include "trace/reader.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "trace/late.h"
#include "trace/track.h"

struct reader {
    int most_segments; /* that reader_newest looks at; 0: all */
    char *dir;
    struct track **tracks; /* one a slot */
    int count;
    bool wants_lost, joins;
    struct late *late; /* NULL until a decision is read that it is joined to */
    uint64_t headless_us; /* when the newest decision ended whose beginning was not found */
    struct reader_report report;
};

static struct track *track_of(struct reader *r, unsigned slot)
{
    for (int i = 0; i < r->count; i++)
        if (r->tracks[i]->slot == slot)
            return r->tracks[i];
    r->tracks = xrealloc(r->tracks, sizeof(struct track *) * (size_t)(r->count + 1));
    struct track *t = xcalloc(1, sizeof *t);
    t->slot = slot;
    r->tracks[r->count++] = t;
    return t;
}

/* Takes note of files that are new. */
static int look(struct reader *r, struct err *err)
{
    struct segment_name *names;
    int count = segment_list(r->dir, -1, &names, err);
    for (int i = 0; i < count; i++)
        track_add(track_of(r, names[i].slot), names[i].sequence);
    free(names);
    return count;
}

struct reader *reader_open(const char *dir, struct err *err)
{
    struct reader *r = xcalloc(1, sizeof *r);
    r->dir = xstrdup(dir);
    if (look(r, err) >= 0)
        return r;
    reader_close(r);
    return NULL;
}

void reader_close(struct reader *r)
{
    for (int i = 0; i < r->count; i++) {
        track_clear(r->tracks[i]);
        free(r->tracks[i]);
    }
    late_free(r->late);
    free(r->tracks);
    free(r->dir);
    free(r);
}

void reader_want_lost(struct reader *r)
{
    r->wants_lost = true;
}

void reader_join(struct reader *r)
{
    r->joins = true;
}

static struct decision *joined(struct reader *r, struct decision *d)
{
    if (!r->joins)
        return d;
    if (r->late == NULL)
        r->late = late_read(r->dir, 0);
    late_join(r->late, d);
    return d;
}

static void look_since(struct reader *r, uint64_t since_us)
{
    late_free(r->late);
    r->late = r->joins ? late_read(r->dir, since_us) : NULL;
}

/* Each track shows its next one; the one that ended first is taken. */
static struct decision *merge(struct reader *r)
{
    struct track *first = NULL;
    for (int i = 0; i < r->count; i++) {
        struct track *t = r->tracks[i];
        if (t->peeked == NULL)
            t->peeked = track_next(t, r->dir, r->wants_lost, &r->report);
        if (t->peeked && (first == NULL || t->peeked->ended_us < first->peeked->ended_us))
            first = t;
    }
    if (first == NULL)
        return NULL;
    struct decision *d = first->peeked;
    first->peeked = NULL;
    return d;
}

struct decision *reader_next(struct reader *r)
{
    bool has_looked = false;
    for (;;) {
        struct decision *d = merge(r);
        if (d == NULL && (has_looked || look(r, NULL) < 0))
            return NULL;
        has_looked |= d == NULL;
        if (d && d->has_begun)
            return joined(r, d);
        if (d) {
            r->report.headless++;
            r->headless_us = d->ended_us;
        }
        decision_free(d);
    }
}

struct decision *reader_unfinished(struct reader *r)
{
    for (int i = 0; i < r->count; i++) {
        struct decision *d = track_unfinished(r->tracks[i]);
        if (d && d->has_begun)
            return joined(r, d);
        if (d)
            i--; /* another may be there */
        decision_free(d);
    }
    return NULL;
}

static void rewind_all(struct reader *r, int segments)
{
    for (int i = 0; i < r->count; i++)
        track_rewind(r->tracks[i], segments);
    r->report = (struct reader_report){0};
    r->headless_us = 0;
}

void reader_recent(struct reader *r, int segments)
{
    rewind_all(r, segments + 1); /* the newest may have been made ahead */
}

void reader_within(struct reader *r, int segments)
{
    r->most_segments = segments;
}

void reader_skip(struct reader *r)
{
    rewind_all(r, 2); /* the newest may have been made ahead */
    for (struct decision *d; (d = reader_next(r));)
        decision_free(d);
    r->report = (struct reader_report){0};
}

static bool reaches_oldest(const struct reader *r, int segments)
{
    for (int i = 0; i < r->count; i++)
        if (segments < r->tracks[i]->count)
            return false;
    return true;
}

/* When the oldest of the segments was begun before which the tracks stand. */
static uint64_t oldest_us(const struct reader *r)
{
    uint64_t oldest = UINT64_MAX;
    for (int i = 0; r->joins && i < r->count; i++) {
        uint64_t its = track_begins_us(r->tracks[i], r->dir);
        oldest = its < oldest ? its : oldest;
    }
    return oldest;
}

/* The newest `count` accepted of what lies in the newest `segments`, as a ring. Returns how many went through it. */
static uint64_t gather(struct reader *r, int segments, int count, bool (*accept)(void *, const struct decision *),
                       void *ctx, struct decision **ring)
{
    uint64_t total = 0;
    rewind_all(r, segments);
    look_since(r, oldest_us(r));
    for (struct decision *d; (d = reader_next(r));) {
        if (accept && !accept(ctx, d)) {
            decision_free(d);
            continue;
        }
        struct decision **at = &ring[total % (uint64_t)count];
        if (total >= (uint64_t)count)
            decision_free(*at);
        *at = d;
        total++;
    }
    return total;
}

int reader_newest(struct reader *r, int count, bool (*accept)(void *, const struct decision *), void *ctx,
                  struct decision **out)
{
    struct decision **ring = xcalloc((size_t)count, sizeof *ring);
    uint64_t total, held, first;
    for (int segments = 2;; segments = segments > INT_MAX / 4 ? INT_MAX : segments * 4) {
        total = gather(r, segments, count, accept, ctx, ring);
        held = total < (uint64_t)count ? total : (uint64_t)count;
        first = total - held;
        /* One that began further back may belong among them. */
        bool is_enough = total >= (uint64_t)count && r->headless_us < ring[first % (uint64_t)count]->ended_us;
        if (is_enough || reaches_oldest(r, segments) || (r->most_segments && segments >= r->most_segments))
            break;
        for (uint64_t i = 0; i < held; i++)
            decision_free(ring[i]);
    }
    for (uint64_t i = 0; i < held; i++)
        out[i] = ring[(first + i) % (uint64_t)count];
    free(ring);
    return (int)held;
}

void reader_events(struct reader *r,
                   bool (*each)(void *, const struct segment_head *, const struct event_head *), void *ctx)
{
    look(r, NULL);
    for (int i = 0; i < r->count; i++) {
        struct track *t = r->tracks[i];
        for (const struct event_head *e; (e = track_event(t, r->dir, &r->report));)
            if (!each(ctx, t->segment->head, e))
                return;
    }
}

struct reader_report reader_report(const struct reader *r)
{
    struct reader_report report = r->report;
    for (int i = 0; i < r->count; i++)
        if (r->tracks[i]->segment)
            report.dropped += atomic_load(&r->tracks[i]->segment->head->dropped);
    return report;
}

static int say(struct buf *out, uint64_t count, const char *one, const char *words)
{
    if (count)
        buf_printf(out, "%" PRIu64 " %s%s %s\n", count, one, count == 1 ? "" : "s", words);
    return count != 0;
}

int reader_words(struct buf *out, const struct reader *r)
{
    struct reader_report report = reader_report(r);
    int lines = 0;
    if (report.unreadable) {
        buf_printf(out, "%" PRIu64 " file%s passed over: %s\n", report.unreadable, report.unreadable == 1 ? "" : "s", report.unreadable_why);
        lines++;
    }
    lines += say(out, report.torn, "segment", "with a torn tail: the worker was killed while it wrote");
    lines += say(out, report.damaged, "event", "damaged: a disk or a program changed what was written");
    lines += say(out, report.dropped, "event", "dropped when they could not be written (disk full, or too large)");
    lines += say(out, report.missed, "event", "deleted before they were read: the trace's size limit");
    return lines;
}

void reader_warn(const struct reader *r)
{
    struct buf words = BUF(READER_WORDS);
    reader_words(&words, r);
    size_t line;
    for (const char *p = words.p ? words.p : ""; *p; p += line + 1) {
        line = strcspn(p, "\n");
        log_warn("%.*s", (int)line, p);
    }
    buf_clear(&words);
}

/* Where a decision begins. */
struct found {
    struct track *track;
    int index;
    uint64_t number, run;
    char id[96];
    int count;     /* different ids that begin so */
    bool is_whole; /* the id asked for is all of it */
};

static void consider(struct found *found, struct track *t, const struct event_head *e, struct str prefix)
{
    struct str id = event_text(e, F_ID);
    if (id.len < prefix.len || memcmp(id.p, prefix.p, prefix.len) != 0 || found->is_whole)
        return;
    found->count++;
    found->is_whole = id.len == prefix.len;
    found->track = t;
    found->index = t->index;
    found->number = e->decision;
    found->run = t->segment->head->run;
    snprintf(found->id, sizeof found->id, STR_FMT, STR_ARG(id));
}

/* Looks through one segment of a track for a BEGIN with that id. */
static void search_segment(struct reader *r, struct track *t, int back, struct str prefix, struct found *found)
{
    track_rewind(t, back);
    int index = t->index;
    const struct event_head *e;
    while ((e = track_event(t, r->dir, &r->report)) && t->index == index)
        if (e->type == EVENT_BEGIN)
            consider(found, t, e, prefix);
}

static struct decision *collect(struct reader *r, const struct found *found)
{
    struct track *t = found->track;
    track_rewind(t, t->count - found->index);
    struct decision *d = decision_new(found->number);
    const struct event_head *e;
    while (!d->is_finished && (e = track_event(t, r->dir, &r->report))) {
        if (t->segment->head->run > found->run)
            break;
        if (e->decision != found->number || t->segment->head->run != found->run)
            continue;
        if (d->raw.len > 0 || str_same(event_text(e, F_ID), str_of(found->id)))
            decision_add(d, t->segment->head, e);
    }
    decision_build(d);
    return d;
}

static struct decision *find_late(struct reader *r, struct decision *d)
{
    look_since(r, d->began_us);
    return joined(r, d);
}

static void not_found(const struct reader *r, struct str prefix, struct err *err)
{
    struct buf words = BUF(READER_WORDS);
    int lines = reader_words(&words, r);
    const char *first = lines > 0 ? words.p : "";
    err_set(err, ERR_BAD_REQUEST, "no decision " STR_FMT " in %s: it may be older than what the trace keeps; `wye trace` lists the newest%s%.*s", STR_ARG(prefix), r->dir,
            lines > 0 ? "; " : "", (int)strcspn(first, "\n"), first);
    buf_clear(&words);
}

struct decision *reader_find(struct reader *r, struct str prefix, struct err *err)
{
    struct found found = {0};
    rewind_all(r, 0);
    int deepest = 0;
    for (int i = 0; i < r->count; i++)
        if (r->tracks[i]->count > deepest)
            deepest = r->tracks[i]->count;
    for (int back = 1; back <= deepest && !found.is_whole; back++)
        for (int i = 0; i < r->count; i++)
            if (back <= r->tracks[i]->count)
                search_segment(r, r->tracks[i], back, prefix, &found);
    if (found.count == 0)
        not_found(r, prefix, err);
    else if (found.count > 1 && !found.is_whole)
        err_set(err, ERR_LIMIT, STR_FMT " is the beginning of %d ids, such as %s: give more of it",
                STR_ARG(prefix), found.count, found.id);
    else
        return find_late(r, collect(r, &found));
    return NULL;
}
