/* spanid: the W3C ids of a decision's spans. They follow from its own id, so that whoever sends one and whoever exports it later say the same. */
#pragma once

#include <stdint.h>

#include "base/str.h"

enum { SPANID_DIGITS = 16, TRACEID_DIGITS = 32 };

/* `n`: 0 for the decision, else the attempt's number. Writes 16 hex digits and a NUL, never all zeros. Returns out. */
char *spanid_put(struct str id, int n, char out[SPANID_DIGITS + 1]);
