/*
 * scored: which decisions have a value of which metric, over all workers and restarts: DIR/scored, a file beside the segments that all workers map.
 *
 * 16 MB of marks, 32 bits of a hash each, in groups of 16 where a new one pushes the oldest out: of the newest million none is forgotten but a few in a million. Two
 * different scores are taken for the same once in some hundred million. The file is made when the first score comes. It is not synced: what a
 * power cut loses of it is accepted again, and readers of the trace take the first. Callers hold a lock over all workers from scored_has to scored_mark.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct scored;

/* NULL with words: no room, or a folder that cannot be written. */
struct scored *scored_open(const char *dir, struct err *err);
void scored_close(struct scored *s);

bool scored_has(const struct scored *s, struct str id, struct str metric);
void scored_mark(struct scored *s, struct str id, struct str metric);
