/* rows: what a trace says of an experiment, fed to its statistics (scripts/stats/ab.lua): scores, designs, then decisions. */
#pragma once

#include "base/err.h"

struct analysis;
struct query;

/* With a query each decision says whether it matches; NULL: none. Warns of what could not be read. -1 with err. */
int rows_feed(struct analysis *a, const char *dir, const char *experiment, struct query *query, struct err *err);

/* The shadows of its decisions that match (experiment NULL: of all), as scripts/stats/agreement.lua takes them. -1 with err. */
int rows_feed_shadows(struct analysis *a, const char *dir, const char *experiment, struct query *query, struct err *err);
