/*
 * body: what one attempt sends, spliced out of what the client sent.
 *
 * The client's bytes stay as they came but for the members that wye sets: the model's name, the usage of a stream, and what model:with
 * changes. Views, never copies: a body is not read again, only cut where it differs.
 */
#pragma once

#include "bind/derive.h"
#include "bind/scope.h"

enum { BODY_ASK_EDITS = 12 + DERIVED_EDITS };

struct attempt;
struct iovec;

/* Points *pieces (in the arena) at the body in order and returns how many there are, -1 when memory is used up. Sets a->adds_usage. */
int body_splice(struct attempt *a, struct iovec **pieces);

/*
 * What an ask changes in a chat completion that has these messages: its own edits and those of its model, which is the same as body_splice sends but for the
 * model's name and the stream. Fills BODY_ASK_EDITS at most; returns how many.
 */
int body_ask_edits(const struct model *model, const struct ask_options *o, struct str messages, struct arena *arena, struct json_edit *edits);
