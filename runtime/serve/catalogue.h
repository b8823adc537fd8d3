/*
 * catalogue: what clients may write for a model: auto, wye/ROUTE, the aliases, and where wye.lua lets them (`direct`) provider/id.
 */
#pragma once

#include "base/str.h"

struct arena;
struct exchange;
struct generation;
struct router;

/* GET /v1/models (name empty) or one of them; in Anthropic's shape for clients that send anthropic-version. */
void catalogue_answer(struct router *r, struct exchange *x, struct str name);

/* "The model 'wye/cascde' does not exist … Did you mean 'wye/cascade'? …", in the arena. */
const char *catalogue_refusal(const struct generation *g, struct str wrong, struct arena *arena);
