/*
 * secret: what `{ env = "NAME" }` or `{ file = "PATH" }` of wye.lua stands for. Never shown, never logged.
 */
#pragma once

#include "vm/config.h"

enum { SECRET_MOST = 4096 };

/* A key: the variable's value, or the file's first word. NULL when it is not set, empty or cannot be read. The caller's, for secret_forget. */
char *secret_read(const struct secret *s);

/* The same of a header's value, which may have blanks: the file's first line. NULL also when it holds a line end or another control character. */
char *secret_line(const struct secret *s);

/* Overwrites and frees; harmless for NULL. */
void secret_forget(char *secret);
