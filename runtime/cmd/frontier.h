/* frontier: what a router buys with which share of the strong model, for the commands that print it. */
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "classify/frontier.h"

void frontier_print(const struct frontier *f, FILE *out);

/* {"weak":…,"strong":…,"apgr":{"value","low","high"},"cpt50":…,"cpt80":…,"matching":…,"curve":[[share,quality],…]} */
void frontier_json(const struct frontier *f, struct buf *out);
