/*
 * said: what an answer says, whichever protocol it is in and whether it was streamed: its text, then the tools it calls. And how like two answers are. Pure.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "bind/view.h"

/* In the arena; {NULL, 0} when the reply is not whole, says nothing, or is of a protocol without texts (embeddings). `is_stream`: events instead of one JSON document. */
struct str said_read(enum protocol protocol, bool is_stream, struct str reply, struct arena *arena);

struct likeness {
    bool is_exact; /* byte by byte */
    bool is_alike; /* case, punctuation and blanks aside */
    double overlap; /* 0 to 1: F1 of the words that both use, each as often as both do (Rajpurkar et al. 2016) */
};

struct likeness said_likeness(struct str a, struct str b, struct arena *arena);
