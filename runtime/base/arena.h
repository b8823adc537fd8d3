/*
 * arena: memory that lives exactly as long as one request (or one load).
 *
 * arena_clear gives everything back at once; nothing is freed alone. A request's arena has a
 * ceiling: arena_alloc returns NULL at it, an ordinary error where input sizes the memory.
 * The first block is kept by arena_reset so that a warm worker does not call malloc.
 */
#pragma once

#include <stddef.h>

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    char *at;
    char *end;
    size_t used;
    size_t limit;
};

#define ARENA(ceiling) ((struct arena){.limit = (ceiling)})

/* `size` bytes aligned to 16, uninitialised; NULL at the ceiling. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size);

/* Zeroed, past the ceiling too: for small structs that input does not size. Never NULL. */
void *arena_need(struct arena *a, size_t size);

/* A NUL-terminated copy of len bytes; NULL at the ceiling. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);

/* A copy of the view; {NULL, 0} at the ceiling. */
struct str arena_str(struct arena *a, struct str s);

enum { ARENA_JOIN_MOST = 24 };

/* The texts (at most ARENA_JOIN_MOST) up to a NULL one after another, NUL-terminated: many times faster than arena_printf. {NULL, 0} at the ceiling. */
struct str arena_join(struct arena *a, const char *first, ...) __attribute__((sentinel));

/* The same of views: faster still, since a constant's length is one too. */
struct str arena_concat(struct arena *a, const struct str *parts, int count);

/* Formatted, NUL-terminated; NULL at the ceiling. */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forgets everything; keeps one block for the next use. */
void arena_reset(struct arena *a);

/* Frees everything. */
void arena_clear(struct arena *a);
