/* saved_lua: values as the Lua source of a spec, whatever stands in them: a trace may come from anywhere. Pure. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/* A string literal. */
void saved_string(struct buf *out, struct str text);

/* The number that the text is; 0 for none. */
void saved_number(struct buf *out, struct str text);

/* JSON as a value of Lua. What has an escape is decoded in the arena. */
void saved_value(struct buf *out, struct arena *arena, struct str json);

/* Does a value of Lua say the same? It has no null, no large numbers, and does not tell [] from {}. */
bool saved_is_plain(struct str json);

/* The bytes as they are, by the test kit's kit.json. */
void saved_json(struct buf *out, struct str json);
