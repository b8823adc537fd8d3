/*
 * where: finds where in a Lua source the table constructor names a key, so that a complaint about a value can say its line.
 *
 * Lua forgets lines once a table is built; this lexes the source again and walks the constructor behind the last `return` (or the one assigned to the
 * variable it returns). What is computed instead of written out gets the nearest line around it.
 */
#pragma once

#include "base/str.h"

/* One step of a path: a named key, or (name NULL) the item of that index, from 1. */
struct where_step {
    const char *name;
    int index;
};

/* The line of the deepest step that is found; of the `return` when none is. At least 1. */
int where_line(struct str source, const struct where_step *path, int depth);

struct where_twice {
    struct str key;
    int first, again; /* lines */
};

/* A key that one constructor names twice (Lua would silently keep one of them). */
bool where_twice(struct str source, struct where_twice *out);
