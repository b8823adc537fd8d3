/* lookup: was there a decision of that number? Reads the one or two segments of a slot in which it must lie, by their times. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Waits for the disk: milliseconds. Numbers are microseconds of wall time (serve/router_state.h). */
bool lookup_decision(const char *dir, unsigned slot, uint64_t number);
