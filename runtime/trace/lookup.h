/*
 * lookup: was there a decision of that id, and whose was it?
 *
 * A decision lies in the one or two segments of its slot that its time names. The first question about a segment reads it whole and keeps the numbers that begin in it, sorted; all
 * others are a search in memory. What is kept is bounded (room for LOOKUP_KEPT decisions, the least asked for go first), and so is reading: LOOKUP_SHARE_MS of each second, then LOOKUP_BUSY.
 * Numbers are microseconds of wall time (serve/router_state.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { LOOKUP_KEPT = 1 << 20 /* 16 MB */, LOOKUP_SHARE_MS = 100 };

enum lookup_result { LOOKUP_ABSENT, LOOKUP_FOUND, LOOKUP_BUSY };

struct lookup;

struct lookup *lookup_new(const char *dir);
void lookup_free(struct lookup *l);

/* The worker and the number that an id tells (serve/router_state.h writes it). False for what is none. */
bool lookup_id(struct str id, unsigned *slot, uint64_t *number);

/* Waits for the disk where the segment was not asked for before: some 10 ms. `owner`: lookup_owner of the key that made it. */
enum lookup_result lookup_decision(struct lookup *l, unsigned slot, uint64_t number, uint64_t *owner);

/* A key's name as it is kept; 0: there was no key. */
uint64_t lookup_owner(struct str key);

/* Is there a file that cannot be read in which the decision may lie? Then `err` says why. Busy as above. */
enum lookup_result lookup_unread(struct lookup *l, unsigned slot, uint64_t number, struct err *err);
