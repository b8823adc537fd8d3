/*
 * sim_value: makes up a JSON value that fits a JSON Schema, as far as simple schemas go.
 *
 * Understood: type, enum, const, default, properties, required, items, minItems, minimum, maximum, minLength, anyOf, oneOf, allOf and local $ref.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* `word` is what strings say, an enum's value goes by the `prompt`, `seed` chooses among what is possible. 0, or -1 at the buffer's ceiling. */
int sim_value_make(struct buf *out, struct str schema, struct str word, struct str prompt, uint64_t seed);
