/* conversations: `trace -g conversation`: decisions gathered by conversation; one that names none is alone. */
#pragma once

#include "base/opt.h"
#include "trace/query.h"
#include "trace/text.h"

/* Prints the newest conversations of which any decision matches, whole. 0 or -1 with err. */
int conversations_list(const struct options *o, const struct query *query, const char *dir,
                       const struct text_style *style, struct err *err);
