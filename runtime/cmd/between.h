/* between: `wye why ID ID`: what differs between two decisions, and between the generations that made them. */
#pragma once

#include <stdbool.h>

#include "trace/decision.h"
#include "vm/manifest.h"

/* The files of a generation that the state directory no longer has are NULL. */
void between_print(const struct decision *a, const struct decision *b, struct manifest *files_a, struct manifest *files_b, bool as_json);
