/*
 * sim_choice: which value of an enum a simulated model takes: one that makes sense to who reads along.
 *
 * Of answers marked <answer id="VALUE">…</answer> in the prompt the best, wherever it stands: one that is not unsure of itself. Else the
 * first value that the prompt mentions. Else whatever the dice say.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

/* `choices`: a JSON array; the raw value, or {NULL, 0} when it is empty. */
struct str sim_choice(struct str choices, struct str prompt, uint64_t *dice);
