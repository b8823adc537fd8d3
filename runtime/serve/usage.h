/* usage: tokens by disjoint bucket out of a provider's raw usage, and what they cost. WIRE.md, "Usage and price". */
#pragma once

#include "base/buf.h"
#include "bind/reply.h"

/* Reads OpenAI's `usage` object: cached tokens are inside prompt_tokens there, reasoning inside completion_tokens; here they are apart. Unknown when it is no object. */
struct usage usage_read(struct str json);

/* The same of the members of that names, found already. */
enum { USAGE_NAME_COUNT = 6 };
extern const struct str USAGE_NAMES[USAGE_NAME_COUNT];
struct usage usage_of(const struct str *values);

/* Appends it as OpenAI's `usage` object. */
void usage_write(struct buf *out, const struct usage *u);

/* US dollars; 0 when the model has no price or the usage is unknown. */
double usage_usd(const struct usage *u, const struct model *model);
