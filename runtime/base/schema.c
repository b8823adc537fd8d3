#include "base/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/near.h"
#include "base/schema_node.h"

enum { MAX_DEPTH = 64, ARENA_BYTES = 32 << 20 };

const char *const SCHEMA_TYPES[TYPE_COUNT] = {"null", "boolean", "object", "array", "number", "string", "integer"};

static const char *const BOUNDS[BOUND_COUNT] = {
    "minimum",   "maximum",  "exclusiveMinimum", "exclusiveMaximum", "multipleOf",    "minLength",   "maxLength",
    "minItems",  "maxItems", "minProperties",    "maxProperties",    "minContains",   "maxContains"};

/* Words about a schema that do not change what it accepts. */
static const char *const ANNOTATIONS[] = {
    "$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "title", "description", "default", "examples", "example",
    "deprecated", "readOnly", "writeOnly", "format", "contentEncoding", "contentMediaType", "contentSchema"};

static const char *const UNKNOWN[] = {"unevaluatedProperties", "unevaluatedItems", "dependentRequired", "dependentSchemas",
                                      "dependencies", "additionalItems", "$dynamicRef", "$dynamicAnchor", "$vocabulary"};

struct compiling {
    struct schema *schema;
    struct err *err;
    bool has_failed;
    char at[256]; /* JSON pointer of the schema being read */
    int depth;
};

static const struct schema_node *compile(struct compiling *c, struct str raw);

__attribute__((format(printf, 2, 3))) static void fail(struct compiling *c, const char *format, ...)
{
    if (c->has_failed)
        return;
    char words[256];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    err_set(c->err, ERR_BAD_REQUEST, "%s%s%s", c->at, *c->at ? ": " : "", words);
    c->has_failed = true;
}

/* Goes one step into the schema; the length to go back to. */
static size_t enter(struct compiling *c, struct str key)
{
    size_t before = strlen(c->at);
    snprintf(c->at + before, sizeof c->at - before, "/%.*s", (int)key.len, key.p);
    return before;
}

static void leave(struct compiling *c, size_t before)
{
    c->at[before] = '\0';
}

static const struct schema_node *compile_at(struct compiling *c, struct str key, struct str raw)
{
    size_t before = enter(c, key);
    const struct schema_node *node = compile(c, raw);
    leave(c, before);
    return node;
}

static bool expect(struct compiling *c, const char *name, struct str value, enum json_type type, const char *what)
{
    if (json_type(value) == type)
        return true;
    size_t before = enter(c, str_of(name));
    fail(c, "%s is needed", what);
    leave(c, before);
    return false;
}

static struct search *compile_pattern(struct compiling *c, struct str pattern)
{
    struct schema *s = c->schema;
    struct err err;
    struct search *search = pattern.p ? search_new(pattern, &err) : NULL;
    if (search == NULL) {
        fail(c, "the pattern does not compile: %s", pattern.p ? err.message : "no string");
        return NULL;
    }
    if (s->search_count == s->search_room) {
        s->search_room = s->search_room ? s->search_room * 2 : 8;
        s->searches = xrealloc(s->searches, (size_t)s->search_room * sizeof *s->searches);
    }
    return s->searches[s->search_count++] = search;
}

static int count_of(struct str value)
{
    int count = 0;
    for (struct json_walk w = json_walk(value); json_next(&w);)
        count++;
    return count;
}

/* The decoded key of a walk. */
static struct str key_text(struct compiling *c, const struct json_walk *w)
{
    return json_text(str_n(w->key.p - 1, w->key.len + 2), &c->schema->arena);
}

static struct schema_member *compile_members(struct compiling *c, const char *name, struct str value, bool are_patterns, int *count)
{
    if (!expect(c, name, value, JSON_OBJECT, "an object"))
        return NULL;
    struct schema_member *members = arena_need(&c->schema->arena, (size_t)(count_of(value) + 1) * sizeof *members);
    size_t before = enter(c, str_of(name));
    for (struct json_walk w = json_walk(value); json_next(&w) && !c->has_failed; (*count)++) {
        struct schema_member *m = &members[*count];
        m->name = key_text(c, &w);
        m->search = are_patterns ? compile_pattern(c, m->name) : NULL;
        m->node = compile_at(c, m->name, w.value);
    }
    leave(c, before);
    return members;
}

static void compile_list(struct compiling *c, const char *name, struct str value, struct schema_nodes *list)
{
    int count = count_of(value);
    if (!expect(c, name, value, JSON_ARRAY, "a list of schemas"))
        return;
    size_t before = enter(c, str_of(name));
    if (count == 0)
        fail(c, "the list is empty");
    list->at = arena_need(&c->schema->arena, (size_t)(count + 1) * sizeof *list->at);
    for (struct json_walk w = json_walk(value); json_next(&w) && !c->has_failed; list->count++) {
        char index[12];
        snprintf(index, sizeof index, "%d", list->count);
        list->at[list->count] = compile_at(c, str_of(index), w.value);
    }
    leave(c, before);
}

static void compile_types(struct compiling *c, struct schema_node *node, struct str value)
{
    size_t before = enter(c, str_of("type"));
    struct str one = json_text(value, &c->schema->arena);
    struct json_walk w = json_walk(value);
    if (one.p == NULL && json_type(value) != JSON_ARRAY)
        fail(c, "a type's name, or a list of them, is needed");
    while (one.p || json_next(&w)) {
        struct str name = one.p ? one : json_text(w.value, &c->schema->arena);
        int i = 0;
        while (i < TYPE_COUNT && !(name.p && str_eq(name, SCHEMA_TYPES[i])))
            i++;
        if (i == TYPE_COUNT) {
            const char *near = name.p ? near_name(name.p, SCHEMA_TYPES, TYPE_COUNT) : NULL;
            fail(c, "no type is called '%.60s'%s%s%s", name.p ? name.p : "?", near ? " (did you mean '" : "", near ? near : "",
                 near ? "'?)" : "");
            break;
        }
        node->types |= 1u << i;
        if (one.p)
            break;
    }
    leave(c, before);
}

static void compile_required(struct compiling *c, struct schema_node *node, struct str value)
{
    if (!expect(c, "required", value, JSON_ARRAY, "a list of names"))
        return;
    node->required = arena_need(&c->schema->arena, (size_t)(count_of(value) + 1) * sizeof *node->required);
    for (struct json_walk w = json_walk(value); json_next(&w);) {
        if (!expect(c, "required", w.value, JSON_STRING, "a list of names"))
            return;
        node->required[node->required_count++] = json_text(w.value, &c->schema->arena);
    }
}

/* "#" or "#/…" within the text. */
static void compile_reference(struct compiling *c, struct schema_node *node, struct str value)
{
    size_t before = enter(c, str_of("$ref"));
    struct str target = json_text(value, &c->schema->arena);
    if (target.p == NULL || target.p[0] != '#' || (target.p[1] != '\0' && target.p[1] != '/')) {
        fail(c, "a reference within the file is needed, such as \"#/$defs/name\"");
    } else {
        struct str raw = json_pointer(c->schema->text, target.p + 1);
        if (raw.p == NULL)
            fail(c, "'%.100s' leads nowhere", target.p);
        else
            node->reference = compile(c, raw);
    }
    leave(c, before);
}

static bool compile_bound(struct compiling *c, struct schema_node *node, struct str key, struct str value)
{
    for (int i = 0; i < BOUND_COUNT; i++) {
        if (!str_eq(key, BOUNDS[i]))
            continue;
        if (!expect(c, BOUNDS[i], value, JSON_NUMBER, "a number"))
            return true;
        json_number(value, &node->bounds[i]);
        node->has_bounds |= 1u << i;
        if (node->bounds[i] < 0 + (i == BOUND_MULTIPLE_OF ? 1e-300 : 0) && i >= BOUND_MULTIPLE_OF) {
            size_t before = enter(c, key);
            fail(c, "a number %s is needed", i == BOUND_MULTIPLE_OF ? "above 0" : "from 0 on");
            leave(c, before);
        }
        return true;
    }
    return false;
}

/* Keywords whose value is one schema. */
static const struct schema_node **subschema(struct schema_node *node, struct str key)
{
    const struct {
        const char *name;
        const struct schema_node **field;
    } rows[] = {{"additionalProperties", &node->additional}, {"propertyNames", &node->names}, {"items", &node->items},
                {"contains", &node->contains},               {"not", &node->not},             {"if", &node->condition},
                {"then", &node->then},                       {"else", &node->otherwise}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_eq(key, rows[i].name))
            return rows[i].field;
    return NULL;
}

static bool is_among(struct str key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(key, names[i]))
            return true;
    return false;
}

static void refuse_unknown(struct compiling *c, struct str key)
{
    static const char *const KNOWN[] = {"type", "enum", "const", "required", "properties", "patternProperties", "additionalProperties",
                                        "propertyNames", "items", "prefixItems", "contains", "allOf", "anyOf", "oneOf", "pattern",
                                        "uniqueItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
                                        "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"};
    if (is_among(key, ANNOTATIONS, sizeof ANNOTATIONS / sizeof *ANNOTATIONS))
        return;
    if (is_among(key, UNKNOWN, sizeof UNKNOWN / sizeof *UNKNOWN)) {
        fail(c, "'%.*s' is not supported", (int)key.len, key.p);
        return;
    }
    char *name = arena_strndup(&c->schema->arena, key.p, key.len);
    const char *near = name && key.len > 4 ? near_name(name, KNOWN, sizeof KNOWN / sizeof *KNOWN) : NULL;
    if (near && near_distance(name, near) <= 2)
        fail(c, "no keyword is called '%s' (did you mean '%s'?)", name, near);
}

static void compile_keyword(struct compiling *c, struct schema_node *node, struct str key, struct str value)
{
    const struct schema_node **field = subschema(node, key);
    if (field)
        *field = compile_at(c, key, value);
    else if (str_eq(key, "type"))
        compile_types(c, node, value);
    else if (str_eq(key, "properties"))
        node->properties = compile_members(c, "properties", value, false, &node->property_count);
    else if (str_eq(key, "patternProperties"))
        node->patterns = compile_members(c, "patternProperties", value, true, &node->pattern_count);
    else if (str_eq(key, "required"))
        compile_required(c, node, value);
    else if (str_eq(key, "const"))
        node->constant = value;
    else if (str_eq(key, "enum") && expect(c, "enum", value, JSON_ARRAY, "a list"))
        node->choices = value;
    else if (str_eq(key, "pattern")) {
        size_t before = enter(c, key);
        node->pattern = compile_pattern(c, json_text(value, &c->schema->arena));
        leave(c, before);
    } else if (str_eq(key, "uniqueItems"))
        node->is_unique = json_is_true(value);
    else if (str_eq(key, "prefixItems"))
        compile_list(c, "prefixItems", value, &node->prefix);
    else if (str_eq(key, "allOf"))
        compile_list(c, "allOf", value, &node->all);
    else if (str_eq(key, "anyOf"))
        compile_list(c, "anyOf", value, &node->any);
    else if (str_eq(key, "oneOf"))
        compile_list(c, "oneOf", value, &node->one);
    else if (str_eq(key, "$ref"))
        compile_reference(c, node, value);
    else if (!str_eq(key, "enum") && !compile_bound(c, node, key, value))
        refuse_unknown(c, key);
}

static struct schema_node *new_node(struct compiling *c, struct str raw)
{
    struct schema *s = c->schema;
    if (s->count == SCHEMA_MAX_NODES || c->depth == MAX_DEPTH) {
        fail(c, s->count == SCHEMA_MAX_NODES ? "the schema has too many parts" : "the schema is nested too deeply");
        return NULL;
    }
    struct schema_node *node = arena_need(&s->arena, sizeof *node);
    node->raw = raw.p;
    return s->nodes[s->count++] = node;
}

static const struct schema_node *compile(struct compiling *c, struct str raw)
{
    enum json_type type = json_type(raw);
    for (int i = 0; i < c->schema->count; i++)
        if (c->schema->nodes[i]->raw == raw.p)
            return c->schema->nodes[i];
    if (type != JSON_OBJECT && type != JSON_TRUE && type != JSON_FALSE) {
        fail(c, "a schema is an object, true or false");
        return NULL;
    }
    struct schema_node *node = c->has_failed ? NULL : new_node(c, raw);
    if (node == NULL)
        return NULL;
    node->is_false = type == JSON_FALSE;
    c->depth++;
    for (struct json_walk w = json_walk(raw); type == JSON_OBJECT && json_next(&w) && !c->has_failed;)
        compile_keyword(c, node, key_text(c, &w), w.value);
    c->depth--;
    return node;
}

struct schema *schema_new(struct str text, struct err *err)
{
    struct schema *s = xcalloc(1, sizeof *s);
    struct err why;
    s->arena = ARENA(ARENA_BYTES);
    struct compiling c = {.schema = s, .err = err};
    if (text.len > SCHEMA_MAX_TEXT) {
        fail(&c, "the schema is over %d MiB", SCHEMA_MAX_TEXT >> 20);
    } else if (json_validate(text, &why) < 0) {
        fail(&c, "no valid JSON: %s", why.message);
    } else {
        for (; strchr(" \t\r\n", text.p[text.len - 1]); text.len--)
            continue;
        for (; strchr(" \t\r\n", text.p[0]); text.p++)
            text.len--;
        s->text = arena_str(&s->arena, text);
        s->nodes = xcalloc(SCHEMA_MAX_NODES, sizeof *s->nodes);
        s->root = compile(&c, s->text);
    }
    if (!c.has_failed)
        return s;
    schema_free(s);
    return NULL;
}

void schema_free(struct schema *s)
{
    for (int i = 0; i < s->search_count; i++)
        search_free(s->searches[i]);
    free(s->searches);
    free(s->nodes);
    arena_clear(&s->arena);
    free(s);
}

struct str schema_text(const struct schema *s)
{
    return s->text;
}
