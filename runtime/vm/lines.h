/*
 * lines: makes the place of every return known, without hooks.
 *
 * At load each `return EXPR…` becomes `return __at(PLACE, EXPR…)` on the same line; __at is a C function that stores PLACE in the VM and returns its
 * other arguments. PLACE is file index × 2^20 + line. (With hooks every instruction would pay; a tail call into C would lose the line all the same.) Costs
 * one C call per return; gives up tail-call elimination.
 */
#pragma once

#include "base/buf.h"

enum { LINES_PER_FILE = 1 << 20 };

/* Appends the instrumented source to out. Source that does not lex is copied as it is (the compiler then reports it). 0, or -1 at the ceiling. */
int lines_instrument(struct str source, int file_index, struct buf *out);
