/*
 * prices: what wye ships about well-known models (prices.def).
 */
#pragma once

#include "vm/config.h"

/* Fills what the model leaves open (has_price, context, tools, vision) by its name. */
void prices_fill(struct model *m);
