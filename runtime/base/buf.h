/*
 * buf: a growing run of bytes with a ceiling from birth.
 *
 * Reaching the ceiling is an ordinary error (-1, nothing appended), never a crash. The bytes are
 * always followed by a NUL that `len` does not count. Consuming from the front is O(1) until the next append.
 *
 *     struct buf b = BUF(64 * 1024);
 *     if (buf_append(&b, p, n) < 0) ...too large...
 *     buf_clear(&b);
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf {
    char *p;      /* first byte; NULL while nothing was ever appended */
    size_t len;   /* bytes held */
    size_t start; /* bytes consumed before p */
    size_t cap;   /* bytes allocated, from the allocation's start */
    size_t limit; /* ceiling of len */
};

#define BUF(ceiling) ((struct buf){.limit = (ceiling)})

/* All return 0, or -1 when the ceiling would be passed; then the buffer is as it was. */
int buf_append_more(struct buf *b, const void *p, size_t len);
static inline int buf_append(struct buf *b, const void *p, size_t len)
{
    if (len >= b->cap - b->start - b->len) /* of what is allocated, NUL and all; that is within the ceiling */
        return buf_append_more(b, p, len);
    if (len > 0)
        memcpy(b->p + b->len, p, len);
    b->len += len;
    b->p[b->len] = '\0';
    return 0;
}
static inline int buf_puts(struct buf *b, const char *z)
{
    return buf_append(b, z, strlen(z)); /* here, so that a constant's length is one too */
}
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list args);

/* Room for `len` more bytes after the present ones, to be claimed with buf_grow; NULL at the ceiling. */
char *buf_room(struct buf *b, size_t len);
void buf_grow(struct buf *b, size_t len);

/* Drops `len` (at most b->len) bytes from the front. */
void buf_consume(struct buf *b, size_t len);

/* Forgets the content, keeps the memory. */
void buf_reset(struct buf *b);

/* Frees the memory; the buffer is empty and usable. */
void buf_clear(struct buf *b);

static inline struct str buf_str(const struct buf *b)
{
    return str_n(b->p, b->len);
}
