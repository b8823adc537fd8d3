/*
 * str: a view of bytes that somebody else owns. Not NUL-terminated.
 *
 *     struct str method = str_of("GET");
 *     if (str_eq(method, "GET")) ...
 *     printf(STR_FMT "\n", STR_ARG(method));
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct str {
    const char *p;
    size_t len;
};

/* A constant, also in a static table. */
#define STR(literal) {literal, sizeof(literal) - 1}

#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).len, (s).p

static inline struct str str_of(const char *z)
{
    return (struct str){z, z ? strlen(z) : 0};
}

static inline struct str str_n(const char *p, size_t len)
{
    return (struct str){p, len};
}

static inline bool str_eq(struct str s, const char *z)
{
    return s.len == strlen(z) && memcmp(s.p, z, s.len) == 0;
}

/* memcmp for a few bytes: eight at a time, the last eight (or four) overlapping those before, costs less than the call. */
static inline bool str_same_bytes(const char *a, const char *b, size_t len)
{
    uint64_t x, y;
    uint32_t v, w;
    if (len >= 8) {
        for (size_t at = 0; at + 8 < len; at += 8) {
            memcpy(&x, a + at, 8);
            memcpy(&y, b + at, 8);
            if (x != y)
                return false;
        }
        memcpy(&x, a + (len - 8), 8);
        memcpy(&y, b + (len - 8), 8);
        return x == y;
    }
    if (len >= 4) {
        memcpy(&v, a, 4);
        memcpy(&w, b, 4);
        if (v != w)
            return false;
        memcpy(&v, a + (len - 4), 4);
        memcpy(&w, b + (len - 4), 4);
        return v == w;
    }
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static inline bool str_same(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* ASCII case ignored, as for HTTP field names. */
static inline bool str_ieq(struct str s, const char *z)
{
    return s.len == strlen(z) && strncasecmp(s.p, z, s.len) == 0;
}

static inline bool str_starts(struct str s, const char *z)
{
    size_t n = strlen(z);
    return s.len >= n && memcmp(s.p, z, n) == 0;
}
