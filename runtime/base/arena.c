#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { ALIGN = 16, FIRST_BLOCK = 4096 - 64, MAX_BLOCK = 256 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    alignas(ALIGN) char bytes[];
};

static void *new_block(struct arena *a, size_t size)
{
    size_t want = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
    if (want > MAX_BLOCK)
        want = MAX_BLOCK;
    if (want < size)
        want = size;
    struct arena_block *block = xmalloc(sizeof *block + want);
    block->size = want;
    block->next = a->blocks;
    a->blocks = block;
    a->at = block->bytes + size;
    a->end = block->bytes + want;
    return block->bytes;
}

static void *take(struct arena *a, size_t size)
{
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    a->used += size;
    if ((size_t)(a->end - a->at) < size || a->at == NULL)
        return new_block(a, size);
    void *p = a->at;
    a->at += size;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > a->limit || a->used > a->limit - size)
        return NULL;
    return take(a, size);
}

void *arena_need(struct arena *a, size_t size)
{
    return memset(take(a, size), 0, size);
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    return p ? memset(p, 0, size) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (copy == NULL)
        return NULL;
    if (len > 0)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = arena_strndup(a, s.p, s.len);
    return str_n(copy, copy ? s.len : 0);
}

struct str arena_join(struct arena *a, const char *first, ...)
{
    size_t lengths[ARENA_JOIN_MOST], len = 0;
    int count = 0;
    va_list args;
    va_start(args, first);
    for (const char *s = first; s && count < ARENA_JOIN_MOST; s = va_arg(args, const char *))
        len += lengths[count++] = strlen(s);
    va_end(args);
    char *joined = arena_alloc(a, len + 1), *at = joined;
    if (joined == NULL)
        return str_n(NULL, 0);
    va_start(args, first);
    for (int i = 0; i < count; i++, first = va_arg(args, const char *))
        at = mempcpy(at, first, lengths[i]);
    va_end(args);
    *at = '\0';
    return str_n(joined, len);
}

struct str arena_concat(struct arena *a, const struct str *parts, int count)
{
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].len;
    char *joined = arena_alloc(a, len + 1), *at = joined;
    if (joined == NULL)
        return str_n(NULL, 0);
    for (int i = 0; i < count; i++)
        if (parts[i].len > 0)
            at = mempcpy(at, parts[i].p, parts[i].len);
    *at = '\0';
    return str_n(joined, len);
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_reset(struct arena *a)
{
    struct arena_block *first = a->blocks;
    while (first && first->next) { /* the oldest block is the smallest: keep that one */
        struct arena_block *next = first->next;
        free(first);
        first = next;
    }
    a->blocks = first;
    a->at = first ? first->bytes : NULL;
    a->end = first ? first->bytes + first->size : NULL;
    a->used = 0;
}

void arena_clear(struct arena *a)
{
    free_blocks(a->blocks);
    *a = ARENA(a->limit);
}
