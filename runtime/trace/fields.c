#include "trace/fields.h"

#include <stdio.h>

#include "base/json.h"
#include "base/near.h"

const enum field_type field_types[FIELD_COUNT] = {
#define FIELD(name, type) FIELD_##type,
#include "trace/fields.def"
#undef FIELD
};

const char *const field_names[FIELD_COUNT] = {
#define FIELD(name, type) #name,
#include "trace/fields.def"
#undef FIELD
};

const struct show field_shows[] = {
#define SHOW(group, name, field, doc) {GROUP_##group, name, F_##field, doc},
#include "trace/fields.def"
#undef SHOW
};
const int field_show_count = sizeof field_shows / sizeof field_shows[0];

const char *group_name(enum group g)
{
    static const char *const names[] = {"", "limit", "candidate", "attempt", "attempt.usage", "arm", "note", "capture", "step", "shadow", "feedback"};
    return names[g];
}

static const char *type_name(enum field_type type)
{
    static const char *const names[] = {"string", "integer", "number", "boolean",
                                        "number", "JSON",    "list",   "string"};
    return names[type];
}

const char *event_type_name(unsigned type)
{
    static const char *const names[] = {"?",       "begin", "note",    "candidate", "attempt_start",
                                        "attempt", "arm",   "capture", "decision", "step", "score", "shadow", "shadow_attempt"};
    return names[type <= EVENT_SHADOW_ATTEMPT ? type : 0];
}

char *field_query_name(const struct show *show, char *out, size_t size)
{
    const char *group = group_name(show->group);
    snprintf(out, size, "%s%s%s", group, group[0] ? "." : "", show->name);
    return out;
}

enum { NAME_MAX_LEN = 48 };

const struct show *field_find(struct str name, const struct show **near)
{
    char wrong[NAME_MAX_LEN + 1];
    snprintf(wrong, sizeof wrong, STR_FMT, STR_ARG(name));
    int best = near_reach(wrong) + 1;
    *near = NULL;
    for (int i = 0; i < field_show_count; i++) {
        char own[NAME_MAX_LEN + 1];
        field_query_name(&field_shows[i], own, sizeof own);
        if (str_eq(name, own))
            return &field_shows[i];
        int edits = near_distance(wrong, own);
        if (edits < best) {
            best = edits;
            *near = &field_shows[i];
        }
    }
    return NULL;
}

void fields_json(struct buf *out)
{
    buf_puts(out, "{\"fields\":[");
    for (int i = 0; i < field_show_count; i++) {
        char name[NAME_MAX_LEN + 1];
        buf_printf(out, "%s{\"name\":\"%s\",\"type\":\"%s\",\"meaning\":", i ? "," : "",
                   field_query_name(&field_shows[i], name, sizeof name), type_name(field_types[field_shows[i].field]));
        json_quote(out, str_of(field_shows[i].doc));
        buf_putc(out, '}');
    }
    buf_puts(out, "]}\n");
}

void fields_print(struct buf *out)
{
    buf_puts(out, "| field | type | meaning |\n|---|---|---|\n");
    for (int i = 0; i < field_show_count; i++) {
        char name[NAME_MAX_LEN + 1];
        buf_printf(out, "| `%s` | %s | %s |\n", field_query_name(&field_shows[i], name, sizeof name),
                   type_name(field_types[field_shows[i].field]), field_shows[i].doc);
    }
}
