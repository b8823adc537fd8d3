#include "trace/perfetto.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "trace/export.h"

enum { LANES_MOST = 4096 };

struct lane {
    unsigned slot;
    int number; /* within its slot, from 1 */
    uint64_t free_us;
};

struct perfetto {
    struct buf *out;
    struct lane lanes[LANES_MOST];
    int lane_count, event_count, bad;
};

/* One thing that took time. */
struct slice {
    uint64_t from_us, to_us;
    const char *kind;
    struct str name;
    int lane;
};

struct perfetto *perfetto_open(struct buf *out)
{
    struct perfetto *p = xcalloc(1, sizeof *p);
    p->out = out;
    p->bad = buf_puts(out, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    return p;
}

static void next(struct perfetto *p)
{
    p->bad |= buf_puts(p->out, p->event_count++ ? ",\n" : "\n");
}

static void name_lane(struct perfetto *p, const struct lane *l)
{
    if (l->number == 1) {
        next(p);
        p->bad |= buf_printf(p->out, "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%u,\"args\":{\"name\":\"wye: worker %u\"}}", l->slot + 1, l->slot);
    }
    next(p);
    p->bad |= buf_printf(p->out, "{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%u,\"tid\":%d,\"args\":{\"name\":\"lane %d\"}}", l->slot + 1, l->number,
                         l->number);
}

/* The first lane of the slot, but `own`, that is free from then on; the last one when there are too many. */
static int find_lane(struct perfetto *p, unsigned slot, uint64_t from_us, int own)
{
    int number = 1;
    for (int i = 0; i < p->lane_count; i++) {
        if (p->lanes[i].slot != slot)
            continue;
        if (i != own && p->lanes[i].free_us <= from_us)
            return i;
        number++;
    }
    if (p->lane_count == LANES_MOST)
        return LANES_MOST - 1;
    p->lanes[p->lane_count] = (struct lane){.slot = slot, .number = number};
    name_lane(p, &p->lanes[p->lane_count]);
    return p->lane_count++;
}

static void put_head(struct perfetto *p, const char *ph, uint64_t at_us, int lane, const char *kind, struct str name)
{
    const struct lane *l = &p->lanes[lane];
    next(p);
    p->bad |= buf_printf(p->out, "{\"ph\":\"%s\",\"ts\":%" PRIu64 ",\"pid\":%u,\"tid\":%d,\"cat\":\"%s\",\"name\":", ph, at_us, l->slot + 1, l->number, kind);
    p->bad |= json_quote(p->out, name.p ? name : str_of("-"));
}

static void open_slice(struct perfetto *p, const struct slice *s)
{
    put_head(p, "X", s->from_us, s->lane, s->kind, s->name);
    p->bad |= buf_printf(p->out, ",\"dur\":%" PRIu64 ",\"args\":", s->to_us - s->from_us);
    if (p->lanes[s->lane].free_us < s->to_us)
        p->lanes[s->lane].free_us = s->to_us;
}

static struct slice slice_of(const struct decision *d, const struct record *r, const char *kind, struct str name)
{
    const struct value *at = record_get(r, F_AT_US);
    double ms = 0;
    uint64_t from = d->began_us + (at && at->i > 0 ? (uint64_t)at->i : 0);
    record_number(r, F_US, &ms);
    return (struct slice){from, from + (ms > 0 ? (uint64_t)(ms * 1000) : 0), kind, name, 0};
}

static void put_notes(struct perfetto *p, const struct decision *d, int lane)
{
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_NOTE, &i));) {
        struct slice s = slice_of(d, r, "note", record_text(r, F_TEXT));
        put_head(p, "i", s.from_us, lane, s.kind, s.name);
        p->bad |= buf_puts(p->out, ",\"s\":\"t\",\"args\":") | export_record(p->out, r) | buf_putc(p->out, '}');
    }
}

static void put_attempts(struct perfetto *p, const struct decision *d, const struct slice *whole)
{
    const struct record *r;
    uint64_t under_us = whole->from_us;
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));) {
        struct slice s = slice_of(d, r, "attempt", record_text(r, F_MODEL));
        bool fits = s.from_us >= under_us && s.to_us <= whole->to_us;
        s.lane = fits ? whole->lane : find_lane(p, d->slot, s.from_us, whole->lane);
        under_us = fits ? s.to_us : under_us;
        open_slice(p, &s);
        p->bad |= export_record(p->out, r) | buf_putc(p->out, '}');
    }
}

int perfetto_add(struct perfetto *p, const struct decision *d)
{
    const struct record *own = &d->records[0];
    struct str route = record_text(own, F_ROUTE);
    struct slice s = slice_of(d, own, "decision", route.p ? route : record_text(own, F_REQUESTED));
    s.lane = find_lane(p, d->slot, s.from_us, -1);
    open_slice(p, &s);
    p->bad |= export_record(p->out, own) | buf_putc(p->out, '}');
    put_attempts(p, d, &s);
    put_notes(p, d, s.lane);
    return p->bad ? -1 : 0;
}

int perfetto_close(struct perfetto *p)
{
    int bad = p->bad | buf_puts(p->out, "\n]}\n");
    free(p);
    return bad;
}
