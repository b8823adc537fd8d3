/* fields: the table of fields.def in memory, for the reader's side: JSON, query, reference. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "trace/record.h"

enum field_type {
    FIELD_STR,
    FIELD_INT,
    FIELD_NUM,
    FIELD_BOOL,
    FIELD_MS,
    FIELD_JSON,
    FIELD_LIST,
    FIELD_TIME,
};
extern const enum field_type field_types[FIELD_COUNT];
extern const char *const field_names[FIELD_COUNT]; /* as in fields.def */

/* Records of a decision by kind; DECISION, LIMIT and CAPTURE have at most one. USAGE lies inside ATTEMPT. */
enum group {
    GROUP_DECISION,
    GROUP_LIMIT,
    GROUP_CANDIDATE,
    GROUP_ATTEMPT,
    GROUP_USAGE,
    GROUP_ARM,
    GROUP_NOTE,
    GROUP_CAPTURE,
    GROUP_STEP,
    GROUP_SHADOW,
    GROUP_FEEDBACK,
    GROUP_COUNT
};

struct show {
    enum group group;
    const char *name; /* in JSON */
    enum field field;
    const char *doc;
};
extern const struct show field_shows[];
extern const int field_show_count;

/* "attempt", "attempt.usage", …; "" for the decision itself. */
const char *group_name(enum group g);

/* What `-q` calls it: "cause", "attempt.usage.input". Returns out. */
char *field_query_name(const struct show *show, char *out, size_t size);

/* By query name; NULL when there is none, with the nearest one (or NULL) in *near. */
const struct show *field_find(struct str name, const struct show **near);

const char *event_type_name(unsigned type);

/* The reference as a Markdown table. */
void fields_print(struct buf *out);

/* The same as one JSON object. */
void fields_json(struct buf *out);
