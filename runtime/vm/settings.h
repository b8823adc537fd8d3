/*
 * settings: reads a Lua table into a C struct by a table of rows, and words every complaint with file, line, path and near name.
 *
 * The table stands on top of the stack. Nothing here allocates in Lua or calls a metamethod, so nothing raises: no pcall is needed. Texts are copied into
 * the arena.
 *
 *     static const struct setting LIMITS[] = {
 *         {"concurrent", settings_unsigned, offsetof(struct limits, concurrent), 1, 1e6, NULL}, ...
 *     };
 *     settings_read(&s, LIMITS, 1, &limits);
 */
#pragma once

#include <lua.h>

#include "base/arena.h"
#include "base/err.h"
#include "vm/where.h"

enum { SETTINGS_DEEPEST = 8, SETTINGS_LONGEST = 4096 };

struct settings {
    lua_State *L;
    struct arena *arena;
    struct str source; /* of the file, for lines */
    const char *label; /* of the file, for people */
    struct err *err;
    struct where_step path[SETTINGS_DEEPEST];
    int depth;
};

struct setting {
    const char *name;
    /* Reads the value on top of the stack (left there) into `field`. */
    int (*read)(struct settings *s, void *field, const struct setting *row);
    size_t offset;      /* of the field in the target */
    double least, most; /* of numbers */
    const char *unit;   /* named when out of range; may be NULL */
};

/* Every row that the table has; refuses a value that is no table and keys that no row names. */
int settings_read(struct settings *s, const struct setting *rows, int count, void *target);

/* Refuses keys that no row names, and says what was meant. */
int settings_check(struct settings *s, const struct setting *rows, int count);

/* Readers for rows. */
int settings_bool(struct settings *s, void *field, const struct setting *row);   /* bool */
int settings_yes_no(struct settings *s, void *field, const struct setting *row); /* int8_t: 1, 0 */
int settings_number(struct settings *s, void *field, const struct setting *row); /* double */
int settings_unsigned(struct settings *s, void *field, const struct setting *row); /* unsigned */
int settings_size(struct settings *s, void *field,
                  const struct setting *row); /* size_t: 1024 or "32MB" */
int settings_text(struct settings *s, void *field,
                  const struct setting *row); /* const char *, not empty */

/* Goes to a named value of the table on top: pushes it, or false. settings_leave pops it. */
bool settings_enter(struct settings *s, const char *name);
void settings_leave(struct settings *s);

/* Calls `entry` with each name and value (on top) of the table; the path includes the name. */
int settings_each(struct settings *s, int (*entry)(struct settings *s, const char *name, void *arg),
                  void *arg);

/* The same for a list: items 1..n and nothing else. */
int settings_each_item(struct settings *s, int most,
                       int (*entry)(struct settings *s, int index, void *arg), void *arg);

/* -1 and err: "FILE:LINE: PATH: what". */
int settings_fail(struct settings *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* " (did you mean 'x'?)", or " (known: a, b)" when nothing is near and `list`, into `out`. Returns out. */
char *settings_suggest(const char *wrong, const char *const *names, int count, bool list, char *out,
                       size_t size);

/* A type error unless the value on top has the type. */
int settings_expect(struct settings *s, int type, const char *what);
