#include "trace/column.h"

#include <stdio.h>

#include "base/clock.h"

static const struct show *show_in(enum group g, struct str name)
{
    for (int i = 0; i < field_show_count; i++)
        if (field_shows[i].group == g && str_eq(name, field_shows[i].name))
            return &field_shows[i];
    return NULL;
}

const struct show *column_find(const char *name, struct err *err)
{
    static const enum group order[] = {GROUP_DECISION, GROUP_ATTEMPT, GROUP_USAGE, GROUP_ARM, GROUP_CANDIDATE, GROUP_LIMIT, GROUP_NOTE, GROUP_SHADOW, GROUP_FEEDBACK};
    struct str wanted = str_of(name);
    const struct show *near = NULL, *found = str_eq(wanted, "error") ? show_in(GROUP_ATTEMPT, wanted) : field_find(wanted, &near);
    for (size_t i = 0; found == NULL && i < sizeof order / sizeof *order; i++)
        found = show_in(order[i], wanted);
    if (found)
        return found;
    char meant[80] = "", text[64];
    if (near)
        snprintf(meant, sizeof meant, " (did you mean %s?)", field_query_name(near, text, sizeof text));
    err_set(err, ERR_BAD_REQUEST, "no field %s%s; `wye trace --fields` lists them", name, meant);
    return NULL;
}

bool column_is_late(const struct show *show)
{
    return show->group == GROUP_SHADOW || show->group == GROUP_FEEDBACK;
}

static void read_number(struct cell *out, const struct value *v)
{
    enum field_type type = field_types[v->field];
    out->is_number = type != FIELD_BOOL && type != FIELD_TIME;
    out->number = v->kind == KIND_NUM ? v->num : (double)v->i;
    if (type == FIELD_MS)
        out->number /= 1000;
    if (type == FIELD_BOOL)
        snprintf(out->space, sizeof out->space, "%s", v->i ? "true" : "false");
    else if (type == FIELD_TIME)
        clock_format((uint64_t)v->i, out->space, sizeof out->space);
    else
        snprintf(out->space, sizeof out->space, "%.10g", out->number);
    out->text = str_of(out->space);
}

static bool is_failed(const struct record *r)
{
    double status;
    if (r->group == GROUP_ATTEMPT)
        return record_get(r, F_ERROR) && !str_eq(record_text(r, F_ERROR), "cancelled");
    return record_number(r, F_STATUS, &status) && status >= 400 && status != 499;
}

static void read_cell(struct cell *out, const struct record *r, enum field f, const struct record *owner)
{
    const struct value *v = record_get(r, f);
    *out = (struct cell){.ms = -1, .is_error = is_failed(owner)};
    if (v && v->kind == KIND_STR)
        out->text = v->text;
    else if (v)
        read_number(out, v);
    record_number(owner, F_US, &out->ms);
    record_number(owner, F_USD, &out->usd);
}

bool column_next(const struct show *show, const struct decision *d, const struct query *query, int *i, struct cell *out)
{
    bool of_attempts = group_home(show->group) == GROUP_ATTEMPT;
    const struct record *r;
    if (*i == 0 && query && !of_attempts && !query_match(query, d, NULL))
        return false;
    while ((r = decision_next(d, show->group, i))) {
        if (query && of_attempts && !query_match(query, d, r))
            continue;
        if (of_attempts && record_is_shadowed(r) && !(query && query_wants_late(query)))
            continue;
        read_cell(out, r, show->field, of_attempts ? r : &d->records[0]);
        return true;
    }
    return false;
}
