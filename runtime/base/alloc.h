/*
 * alloc: heap memory that cannot fail.
 *
 * For memory that input does not size (or whose size a limit has already bounded). When the system
 * has none left, the process logs one line and aborts; the master starts a new worker.
 */
#pragma once

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);

/* Copies `len` bytes and adds a NUL. */
char *xstrndup(const char *s, size_t len);
