/* schema_node: a compiled schema, for schema.c, which compiles, and schema_check.c, which checks. Not for others. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/search.h"

struct schema_node;

/* A named subschema: of properties and, with a search, of patternProperties. */
struct schema_member {
    struct str name; /* decoded */
    struct search *search;
    const struct schema_node *node;
};

struct schema_nodes {
    const struct schema_node **at;
    int count; /* 0: the keyword is absent */
};

enum schema_bound {
    BOUND_MINIMUM,
    BOUND_MAXIMUM,
    BOUND_EXCLUSIVE_MINIMUM,
    BOUND_EXCLUSIVE_MAXIMUM,
    BOUND_MULTIPLE_OF,
    BOUND_MIN_LENGTH,
    BOUND_MAX_LENGTH,
    BOUND_MIN_ITEMS,
    BOUND_MAX_ITEMS,
    BOUND_MIN_PROPERTIES,
    BOUND_MAX_PROPERTIES,
    BOUND_MIN_CONTAINS,
    BOUND_MAX_CONTAINS,
    BOUND_COUNT
};

struct schema_node {
    const char *raw; /* where it stands in the text: a reference to it finds the same node */
    bool is_false, is_unique;
    unsigned types;      /* bits 1 << enum schema_type; 0: any */
    unsigned has_bounds; /* bits 1 << enum schema_bound */
    double bounds[BOUND_COUNT];
    struct str constant, choices; /* raw; {NULL, 0}: absent */
    struct str *required;
    int required_count;
    struct search *pattern;
    struct schema_member *properties, *patterns;
    int property_count, pattern_count;
    const struct schema_node *additional, *names, *items, *contains, *not, *condition, *then, *otherwise, *reference;
    struct schema_nodes prefix, all, any, one;
};

enum schema_type { TYPE_NULL, TYPE_BOOLEAN, TYPE_OBJECT, TYPE_ARRAY, TYPE_NUMBER, TYPE_STRING, TYPE_INTEGER, TYPE_COUNT };
extern const char *const SCHEMA_TYPES[TYPE_COUNT];

struct schema {
    struct arena arena; /* nodes and texts */
    struct str text;
    const struct schema_node *root;
    struct schema_node **nodes;
    int count;
    struct search **searches; /* freed with it */
    int search_count, search_room;
};
