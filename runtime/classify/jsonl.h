/*
 * jsonl: a file of one JSON object a line, read line by line, with complaints that name file and line.
 *
 *     struct jsonl *j = jsonl_open("data.jsonl", &err);
 *     for (int got; (got = jsonl_next(j, &row, &err)) > 0;) ...row.p is valid until the next call...
 *     jsonl_close(j);
 *
 * "-" is standard input. A line is at most JSONL_LINE bytes; empty ones are passed over, and so is a byte order mark
 * before the first.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { JSONL_LINE = 512 << 10 };

struct jsonl;

struct jsonl *jsonl_open(const char *path, struct err *err);
void jsonl_close(struct jsonl *j);

/* 1 and an object that is valid JSON; 0 at the end; -1: "FILE:12: what is wrong". */
int jsonl_next(struct jsonl *j, struct str *row, struct err *err);

/* Sets err to "FILE:LINE: ..." of the line read last; -1. */
int jsonl_fail(const struct jsonl *j, struct err *err, const char *format, ...) __attribute__((format(printf, 3, 4)));

int jsonl_line(const struct jsonl *j);

/* The column as a number: a JSON number, a boolean, or text that spells a number. -1 names the line, and the near column when there is none. */
int jsonl_number(const struct jsonl *j, struct str row, const char *column, double *out, struct err *err);

/* The same for a column of 0 and 1 (or false and true). */
int jsonl_bit(const struct jsonl *j, struct str row, const char *column, bool *out, struct err *err);

/* A column of text, decoded into the arena. */
int jsonl_text(const struct jsonl *j, struct str row, const char *column, struct arena *arena, struct str *out, struct err *err);
