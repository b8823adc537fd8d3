/*
 * complain: how a verb says that it failed: in words on standard error, and with --json also as the one object that its caller waits for.
 *
 *     return complain(o, EXIT_USAGE, "--by %s: no such field", o->by);
 *
 * The words follow "wye VERB: ", except those that begin with a place, "routes/route.lua:11: …", which stands first in its line, where editors look for it.
 * Of the object `{"ok":false,"error":{"message":…}}` such a place is the members file, line and, where it is known, column.
 */
#pragma once

#include "base/buf.h"
#include "base/opt.h"

/* Returns `status`. Once in a run, and not by a verb that prints an object of its own: that has the same `error` by complain_member. */
int complain(const struct options *o, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for what went wrong on the way: 3 where no server answered, else 1. */
int complain_of(const struct options *o, const struct err *err);

/* `,"error":{…}`, for the object of a verb that found something wrong. */
void complain_member(struct buf *out, const char *words);

/* args[0] is none of the verb's own words, or has not what belongs to it: names the near one and says `usage`. Returns EXIT_USAGE. */
int complain_word(const struct options *o, const char *const *words, int count, const char *usage);
