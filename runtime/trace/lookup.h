/* lookup: was there a decision of that id? Reads the one or two segments of a slot in which it must lie, by their times. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The worker and the number that an id tells (serve/router_state.h writes it). False for what is none. */
bool lookup_id(struct str id, unsigned *slot, uint64_t *number);

/* Waits for the disk: milliseconds. Numbers are microseconds of wall time (serve/router_state.h). */
bool lookup_decision(const char *dir, unsigned slot, uint64_t number);
