/*
 * json: reads raw JSON without building a tree. Bodies are bytes: they are validated, searched and spliced,
 * never decoded and encoded again. Strict RFC 8259: UTF-8 checked, one value, depth at most 128.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { JSON_MAX_DEPTH = 128 };

/* 0 when the whole of s is one valid JSON value (blanks around it allowed); -1 with byte offset and reason in err. */
int json_validate(struct str s, struct err *err);

/*
 * The same, and on the way notes where the members of the object lie: values[i] for names[i] as json_get_many finds them (a repeated one: the
 * last, and `repeats` is set). When s is no object they stay {NULL, 0}.
 */
struct json_members {
    const struct str *names;
    struct str *values;
    int count;
    bool repeats;
    struct json_inner *inner; /* NULL: none */
};

/*
 * And a level deeper: the members of the object names[of], or with `row` those of each item of the array names[of]. So a list is read in the pass
 * that validates it: `begin` when it opens (again, when its name repeats), then `row` behind each item, with NULL for one that is no object.
 * What they see is valid up to there; what comes after may still turn out not to be.
 */
struct json_inner {
    int of;
    const struct str *names;
    struct str *values; /* {NULL, 0} where names[of] is no object */
    int count;
    void (*begin)(void *arg);
    void (*row)(void *arg, const struct str *values);
    void *arg;
};
int json_validate_members(struct str s, struct json_members *members, struct err *err);

/* All below take VALID json. A view of a value has no blanks around it. */

enum json_type { JSON_NONE, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum json_type json_type(struct str value);

/* Walks the members of an object or the items of an array, in order.
 *     struct json_walk w = json_walk(value); while (json_next(&w)) use(w.key, w.value);
 * `key` is the raw key between its quotes (escapes not decoded), empty in arrays. */
struct json_walk {
    const char *at, *end;
    bool is_object;
    struct str key, value;
};
struct json_walk json_walk(struct str value);
bool json_next(struct json_walk *w);

/*
 * The same without a second look at what lies inside: json_next_key stops before the value, which json_skip passes
 * (and sets w->value) or json_enter walks into; json_leave goes on behind it once the inner walk is done with.
 */
bool json_next_key(struct json_walk *w);
void json_skip(struct json_walk *w);
struct json_walk json_enter(const struct json_walk *w);
void json_leave(struct json_walk *w, struct json_walk *inner);

/* The member of that (plain ASCII) name; {NULL, 0} when absent or when `object` is no object. The last one wins when a key repeats. Keys spelt with escapes are matched decoded. */
struct str json_get(struct str object, const char *name);

/* Several members in one pass over the object: values[i] for names[i]. */
void json_get_many(struct str object, const struct str *names, struct str *values, int count);

/* Does the raw `key` of a walk (escapes and all) spell `name`? */
bool json_key_is(struct str key, struct str name);

/* By JSON pointer (RFC 6901): "/messages/0/content"; "" is the value itself. {NULL, 0} when absent. */
struct str json_pointer(struct str value, const char *pointer);

/* The decoded text of a string value, NUL-terminated in the arena (a view into `value` itself when nothing is escaped and arena is NULL is not allowed: arena is required). {NULL,0} when not a string or at the ceiling. */
struct str json_text(struct str value, struct arena *arena);

/* When the string has no escapes: its bytes without quotes, no copy. Otherwise {NULL, 0}. */
struct str json_plain(struct str value);

bool json_number(struct str value, double *out);
bool json_integer(struct str value, int64_t *out); /* false for fractions, exponents and overflow */
static inline bool json_is_true(struct str value)
{
    return value.len == 4 && value.p[0] == 't';
}

/* Appends `text` as a quoted JSON string (control bytes, quote, backslash escaped; invalid UTF-8 becomes U+FFFD). 0 or -1 at the ceiling. */
int json_quote(struct buf *out, struct str text);

/* The same; null for NULL. */
int json_quote_z(struct buf *out, const char *text);

/* One change to a top-level member of an object. value {NULL, 0} removes it. */
struct json_edit {
    const char *name;
    struct str value;
};

/*
 * Splices edits into an object without copying it: fills `pieces` with views (of `object`, of the edits' values and of small
 * strings in the arena) whose concatenation is the object with each named member replaced in place, appended when absent, or removed. A repeated
 * key is replaced or removed at every occurrence, so that it does not matter which one a provider reads. All other bytes stay as they
 * were. The edits' names differ; at most 64. Returns how many pieces (2 for each edit and 2 more suffice when no key repeats),
 * or -1 when `max` or the arena is too small or `object` is none.
 */
struct iovec;
int json_splice(struct str object, const struct json_edit *edits, int count, struct arena *arena, struct iovec *pieces, int max);
