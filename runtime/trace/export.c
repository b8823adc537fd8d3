#include "trace/export.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"

static int put_number(struct buf *out, double n)
{
    char text[40];
    if (!isfinite(n))
        return buf_puts(out, "null");
    snprintf(text, sizeof text, "%.15g", n);
    if (strtod(text, NULL) != n)
        snprintf(text, sizeof text, "%.17g", n);
    return buf_puts(out, text);
}

static int put_time(struct buf *out, uint64_t wall_us)
{
    char text[40];
    return buf_printf(out, "\"%s\"", clock_format(wall_us, text, sizeof text));
}

static int put_raw(struct buf *out, struct str json)
{
    if (json_validate(json, NULL) == 0)
        return buf_append(out, json.p, json.len);
    return json_quote(out, json);
}

static int put_value(struct buf *out, const struct value *v)
{
    enum field_type type = field_types[v->field];
    if (v->kind == KIND_STR)
        return type == FIELD_JSON ? put_raw(out, v->text) : json_quote(out, v->text);
    if (v->kind == KIND_NUM)
        return put_number(out, v->num);
    if (type == FIELD_BOOL)
        return buf_puts(out, v->i ? "true" : "false");
    if (type == FIELD_MS)
        return put_number(out, (double)v->i / 1000);
    if (type == FIELD_TIME)
        return put_time(out, (uint64_t)v->i);
    return buf_printf(out, "%" PRId64, v->i);
}

static int put_list(struct buf *out, const struct record *r, enum field f)
{
    int bad = buf_putc(out, '['), count = 0;
    for (int i = 0; i < r->count; i++)
        if (r->values[i].field == f) {
            bad |= count++ ? buf_putc(out, ',') : 0;
            bad |= put_value(out, &r->values[i]);
        }
    return bad | buf_putc(out, ']');
}

static int put_field(struct buf *out, const struct record *r, const struct show *show)
{
    int bad = buf_printf(out, "\"%s\":", show->name);
    if (field_types[show->field] == FIELD_LIST)
        return bad | put_list(out, r, show->field);
    const struct value *v = record_get(r, show->field);
    return bad | (v ? put_value(out, v) : buf_puts(out, "null"));
}

static int put_group(struct buf *out, const struct record *r, enum group g, bool *is_first)
{
    int bad = 0;
    for (int i = 0; i < field_show_count; i++)
        if (field_shows[i].group == g) {
            bad |= *is_first ? 0 : buf_putc(out, ',');
            *is_first = false;
            bad |= put_field(out, r, &field_shows[i]);
        }
    return bad;
}

static bool has_any(const struct record *r, enum group g)
{
    for (int i = 0; i < field_show_count; i++)
        if (field_shows[i].group == g && record_get(r, field_shows[i].field))
            return true;
    return false;
}

/* A group that lies inside another record: {} or `absent` when nothing of it was given. */
static int put_inner(struct buf *out, const struct record *r, const char *name, enum group g, const char *absent)
{
    bool is_first = true;
    int bad = buf_printf(out, ",\"%s\":", name);
    if (!has_any(r, g))
        return bad | buf_puts(out, absent);
    bad |= buf_putc(out, '{') | put_group(out, r, g, &is_first);
    return bad | buf_putc(out, '}');
}

static int put_records(struct buf *out, const struct decision *d, const char *name, enum group g)
{
    int bad = buf_printf(out, ",\"%s\":[", name);
    const struct record *r;
    for (int i = 0, count = 0; (r = decision_next(d, g, &i)); count++) {
        bool is_first = true;
        bad |= buf_puts(out, count ? ",{" : "{") | put_group(out, r, g, &is_first);
        if (g == GROUP_ATTEMPT)
            bad |= put_inner(out, r, "usage", GROUP_USAGE, "{}");
        bad |= buf_putc(out, '}');
    }
    return bad | buf_putc(out, ']');
}

int export_decision(struct buf *out, const struct decision *d)
{
    bool is_first = true;
    const struct record *own = &d->records[0];
    int bad = buf_putc(out, '{') | put_group(out, own, GROUP_DECISION, &is_first);
    bad |= put_records(out, d, "candidates", GROUP_CANDIDATE);
    bad |= put_records(out, d, "attempts", GROUP_ATTEMPT);
    bad |= put_records(out, d, "arms", GROUP_ARM);
    bad |= put_records(out, d, "notes", GROUP_NOTE);
    bad |= put_inner(out, own, "limit", GROUP_LIMIT, "{}");
    bad |= put_inner(out, own, "capture", GROUP_CAPTURE, "null");
    bad |= put_records(out, d, "shadows", GROUP_SHADOW);
    bad |= put_records(out, d, "feedback", GROUP_FEEDBACK);
    return bad | buf_putc(out, '}');
}

int export_record(struct buf *out, const struct record *r)
{
    bool is_first = true;
    int bad = buf_putc(out, '{') | put_group(out, r, r->group, &is_first);
    if (r->group == GROUP_ATTEMPT)
        bad |= put_inner(out, r, "usage", GROUP_USAGE, "{}");
    return bad | buf_putc(out, '}');
}

int export_attempt(struct buf *out, const struct decision *d, const struct record *r)
{
    static const enum field own[] = {F_ID, F_TS, F_ROUTE};
    int bad = buf_putc(out, '{');
    for (int i = 0; i < field_show_count; i++)
        for (size_t j = 0; j < sizeof own / sizeof own[0]; j++)
            if (field_shows[i].group == GROUP_DECISION && field_shows[i].field == own[j])
                bad |= put_field(out, &d->records[0], &field_shows[i]) | buf_putc(out, ',');
    bool is_first = true;
    bad |= put_group(out, r, GROUP_ATTEMPT, &is_first);
    bad |= put_inner(out, r, "usage", GROUP_USAGE, "{}");
    return bad | buf_putc(out, '}');
}

/* An event says nothing of its group's other fields: the name is that of the field's first line in the table, or its own. */
static const char *name_of(enum field f, char *out, size_t size)
{
    for (int i = 0; i < field_show_count; i++)
        if (field_shows[i].field == f)
            return field_shows[i].name;
    snprintf(out, size, "%s", field_names[f]);
    for (char *c = out; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return out;
}

int export_fields(struct buf *out, const struct event_head *event)
{
    struct field_view v;
    char name[32];
    int bad = buf_putc(out, '{'), count = 0;
    for (uint32_t at = 0; event_walk(event, &at, &v);) {
        if (v.field >= FIELD_COUNT)
            continue;
        enum field_kind kind = v.kind == KIND_CUT ? KIND_STR : v.kind;
        struct value value = {(enum field)v.field, kind, v.i, v.num, v.text};
        bad |= buf_printf(out, "%s\"%s\":", count++ ? "," : "", name_of(value.field, name, sizeof name));
        bad |= put_value(out, &value);
    }
    return bad | buf_putc(out, '}');
}

int export_event(struct buf *out, const struct segment_head *head, const struct event_head *event)
{
    int bad = buf_puts(out, "{\"ts\":") | put_time(out, segment_wall_us(head, event));
    bad |= buf_printf(out,
                      ",\"worker\":%u,\"segment\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"decision\":%" PRIu64
                      ",\"event\":\"%s\",\"fields\":",
                      head->slot, head->sequence, event->seq, event->decision, event_type_name(event->type));
    bad |= export_fields(out, event);
    return bad | buf_putc(out, '}');
}
