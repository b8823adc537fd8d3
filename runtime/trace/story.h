/*
 * story: one decision told to a person, under the source lines that made it. Pure: records and text in, text out.
 */
#pragma once

#include "base/buf.h"
#include "trace/decision.h"
#include "trace/text.h"

/* A file of the generation that decided, under the name that the trace gives it ("routes/route.lua"). */
struct story_source {
    const char *name;
    struct str text;
};

/* The files that `d` names (the return, the notes, the asks), each once, in the order of their first mention. Count, at most max. Views into d. */
int story_files(const struct decision *d, struct str *out, int max);

/* Appends the whole story; -1 at the ceiling. A file not among `sources` is told without its lines. */
int story_tell(struct buf *out, const struct decision *d, const struct story_source *sources, int count,
               const struct text_style *style);

/* An upper bound on what a story needs. */
enum { STORY_MAX = 16 * 1024 * 1024 };
