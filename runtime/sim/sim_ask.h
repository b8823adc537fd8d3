/*
 * sim_ask: what the readers of all wires have in common: texts, counts, and which tool a model would call.
 */
#pragma once

#include "base/arena.h"
#include "sim/sim_answer.h"

/* The text of a content: a string, or the text parts of a list. "" when there is none. */
struct str sim_ask_text(struct str content, struct arena *arena);

/* A count from 0 to `most`; `fallback` for what is none. */
long sim_ask_count(struct str value, long fallback, long most);

/*
 * Offers a tool, each in turn: the first is taken that is `wanted` by name, or whichever when one must be called, or that the prompt mentions by its name or a word of it. None right
 * after a tool's result.
 */
void sim_ask_offer(struct sim_ask *ask, struct str name, struct str schema, struct str wanted, bool is_forced);
