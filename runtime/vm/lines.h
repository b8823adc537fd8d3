/*
 * lines: makes the place of every return known, without hooks.
 *
 * At load each `return EXPR…` becomes `return __at(PLACE, EXPR…)` on the same line; __at is a C
 * function that stores PLACE in the VM and returns its other arguments. (With hooks every instruction
 * would pay; a tail call into C would lose the line all the same.) Costs one C call per return; gives
 * up tail-call elimination.
 */
#pragma once

#include "base/buf.h"

/* PLACE is file index × LINES_PER_FILE + line, so that 4,096 files fit an int; later lines count as the last. */
enum { LINES_PER_FILE = 1 << 19 };

static inline int lines_place(int file_index, int line)
{
    return file_index * LINES_PER_FILE + (line < LINES_PER_FILE ? line : LINES_PER_FILE - 1);
}

static inline int lines_file(int place)
{
    return place / LINES_PER_FILE;
}

static inline int lines_line(int place)
{
    return place % LINES_PER_FILE;
}

/*
 * Appends the instrumented source to out. Source that does not lex or nest is copied as it is (the
 * compiler then reports it). 0, or -1 at the ceiling.
 */
int lines_instrument(struct str source, int file_index, struct buf *out);
