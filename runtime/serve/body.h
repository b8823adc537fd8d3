/*
 * body: what one attempt sends, spliced out of what the client sent.
 *
 * The client's bytes stay as they came but for the members that wye sets: the model's name, the usage of a stream, and what model:with
 * changes. Views, never copies: a body is not read again, only cut where it differs.
 */
#pragma once

struct attempt;
struct iovec;

/* Points *pieces (in the arena) at the body in order and returns how many there are, -1 when memory is used up. Sets a->adds_usage. */
int body_splice(struct attempt *a, struct iovec **pieces);
