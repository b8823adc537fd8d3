#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { SMALLEST = 256 };

char *buf_room(struct buf *b, size_t len)
{
    if (len > b->limit || b->len > b->limit - len)
        return NULL;
    size_t need = b->start + b->len + len + 1;
    if (need <= b->cap)
        return b->p + b->len;
    char *base = b->p ? b->p - b->start : NULL;
    if (b->start > 0) {
        memmove(base, b->p, b->len + 1);
        need -= b->start;
        b->start = 0;
    }
    if (need > b->cap) {
        size_t cap = b->cap * 2 > need ? b->cap * 2 : need;
        if (cap < SMALLEST)
            cap = SMALLEST;
        if (cap > b->limit + 1)
            cap = b->limit + 1;
        base = xrealloc(base, cap);
        b->cap = cap;
    }
    b->p = base;
    return b->p + b->len;
}

void buf_grow(struct buf *b, size_t len)
{
    b->len += len;
    b->p[b->len] = '\0';
}

int buf_append_more(struct buf *b, const void *p, size_t len)
{
    char *room = buf_room(b, len);
    if (room == NULL)
        return -1;
    if (len > 0)
        memcpy(room, p, len);
    buf_grow(b, len);
    return 0;
}

int buf_putc(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *room = len < 0 ? NULL : buf_room(b, (size_t)len);
    if (room == NULL)
        return -1;
    vsnprintf(room, (size_t)len + 1, format, args);
    b->len += (size_t)len;
    return 0;
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = buf_vprintf(b, format, args);
    va_end(args);
    return result;
}

void buf_consume(struct buf *b, size_t len)
{
    if (len >= b->len) {
        buf_reset(b);
        return;
    }
    b->p += len;
    b->start += len;
    b->len -= len;
}

void buf_reset(struct buf *b)
{
    if (b->p == NULL)
        return;
    b->p -= b->start;
    b->start = 0;
    b->len = 0;
    b->p[0] = '\0';
}

void buf_clear(struct buf *b)
{
    if (b->p)
        free(b->p - b->start);
    *b = BUF(b->limit);
}
