/*
 * turnaway: a request refused before a route could have a part in it: no key, no room, no such path, no HTTP. It never becomes a `struct request`.
 *
 * The answer is in the protocol's shape and names an id; the first 16 of a worker in a second leave a decision in the trace, so that a flood
 * fills no disk. Those beyond have no id.
 */
#pragma once

#include <stdbool.h>

struct router;
struct exchange;
struct key;

struct turned {
    int status;
    const char *code;
    const char *param; /* the member at fault; NULL: none */
    const char *limit; /* which one, as the trace names it; NULL: none */
    const struct key *key; /* the client's; NULL: none known */
    const char *more;  /* header lines */
    const char *words;
};

/* Answers, counts and records. Always false, for who refuses by it. */
bool turnaway(struct router *r, struct exchange *x, const struct turned *t);
