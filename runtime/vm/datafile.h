/*
 * datafile: a Lua file that returns a table, as JSON.
 *
 * For files that describe something and serve no request (the simulator's script). The file runs in a plain VM of its own with base, table, string and
 * math, bounded in instructions; afterwards nothing of Lua is left, only bytes. A table with a first item is an array, any other an object.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Appends the JSON of what the file at `path` returns. 0, or -1 with "FILE:LINE: what is wrong". */
int datafile_json(const char *path, struct buf *out, struct err *err);
