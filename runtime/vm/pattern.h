/*
 * pattern: Lua 5.1's pattern language over bytes, bounded in steps and in depth. Knows no Lua.
 *
 * The language of the reference manual, 5.4.1, with %g, %f and zero bytes as LuaJIT has them; the C
 * locale decides classes. Patterns are compiled first, so a malformed one is refused always, not only
 * when matching comes to the bad place. Matching backtracks: each step is counted, and `budget` ends it.
 *
 *     struct pattern p;
 *     if (pattern_compile(&p, str_of("(%a+)=(%d+)"), true, &why) < 0) ...why...
 *     struct pattern_match m = {.subject = text, .budget = PATTERN_STEPS};
 *     if (pattern_find(&p, &m, 0) == PATTERN_FOUND) ...m.start, m.end, m.captures...
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    PATTERN_ITEMS = 256,      /* single characters with a repetition, captures, runs of plain characters */
    PATTERN_SETS = 24,        /* [...] in one pattern */
    PATTERN_CAPTURES = 32,
    PATTERN_STEPS = 20000000, /* about 100 ms */
    PATTERN_POSITION = -1     /* length of a capture made by () */
};

struct pattern_set {
    uint64_t bits[4];
};

struct pattern_item {
    uint8_t kind, repeat;  /* of pattern.c */
    uint8_t a, b;          /* capture index, delimiters of %b, class letter */
    uint32_t len;          /* of a run of plain characters */
    const void *what;      /* the run, or the set */
};

struct pattern {
    struct pattern_item items[PATTERN_ITEMS];
    struct pattern_set sets[PATTERN_SETS];
    int count, set_count, captures;
    bool is_anchored;
};

struct pattern_match {
    struct str subject;
    uint64_t budget;        /* steps left */
    bool (*is_over)(void);  /* asked now and then; NULL: never over */
    size_t start, end;      /* of the whole match */
    struct {
        const char *p;
        ptrdiff_t len;
    } captures[PATTERN_CAPTURES];
};

enum pattern_result { PATTERN_NONE, PATTERN_FOUND, PATTERN_OVER };

/*
 * Points into `source`, which must outlive p. `anchors`: a first '^' means the start, else it is plain
 * (as in gmatch). -1 with the reason, in Lua's words.
 */
int pattern_compile(struct pattern *p, struct str source, bool anchors, const char **why);

/* The first match at or after `from`; only at `from` when anchored. */
enum pattern_result pattern_find(const struct pattern *p, struct pattern_match *m, size_t from);

/* A match that starts exactly at `from`. */
enum pattern_result pattern_at(const struct pattern *p, struct pattern_match *m, size_t from);
