#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *p, size_t size)
{
    if (p == NULL && size > 0) {
        fprintf(stderr, "wye: out of memory asking for %zu bytes\n", size);
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return or_die(malloc(size), size);
}

void *xcalloc(size_t count, size_t size)
{
    return or_die(calloc(count, size), count * size);
}

void *xrealloc(void *p, size_t size)
{
    return or_die(realloc(p, size), size);
}

char *xstrndup(const char *s, size_t len)
{
    char *copy = xmalloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}
