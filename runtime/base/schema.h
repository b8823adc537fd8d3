/*
 * schema: JSON Schema, draft 2020-12, over raw JSON: compiled once, then checked without building a tree.
 *
 * Known: type, enum, const, the limits of numbers, texts, arrays and objects, properties, patternProperties, additionalProperties,
 * propertyNames, items, prefixItems, contains, allOf, anyOf, oneOf, not, if/then/else, and $ref within the same text. Annotations (title,
 * description, format, …) are ignored; what would change the meaning and is not known here is an error, and so is a misspelt keyword.
 *
 *     struct schema *s = schema_new(text, &err);            // err: "/properties/total/type: no type is called 'strin' …"
 *     if (!schema_check(s, value, &why)) ...why.message...  // "/total: 3 is not a string"
 *     schema_free(s);
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct schema;

enum { SCHEMA_MAX_TEXT = 1 << 20, SCHEMA_MAX_NODES = 4096 };

/* Copies `text`. NULL with err. */
struct schema *schema_new(struct str text, struct err *err);
void schema_free(struct schema *s);

/* The schema's bytes, as they came. */
struct str schema_text(const struct schema *s);

/* Is the valid JSON `value` an instance? When not, `why` says where and why; its kind is ERR_LIMIT when checking takes too many steps. */
bool schema_check(const struct schema *s, struct str value, struct err *why);
