/*
 * query: what `trace -q` takes. Comparisons joined by and, or, not and parentheses:
 *
 *     cause == failover and attempt.error == rate_limit and usd > 0.01
 *     not (route ~ "^sup" or served == null)
 *
 * Operators: == != < <= > >= and ~ (PCRE2, on strings, with a match limit). Values: bare words, quoted strings ("" or '', backslash escapes the
 * quote), numbers, true, false, null. A comparison on a group (attempt., candidate., arm., note., shadow., feedback.) holds when it holds for any of its records.
 */
#pragma once

#include "base/err.h"
#include "trace/decision.h"

struct query;

/* NULL with err: what is wrong, the query, and a caret under the place. */
struct query *query_compile(struct str text, struct err *err);
void query_free(struct query *q);

/* `attempt` (or NULL for all): the one that attempt.* looks at. */
bool query_match(const struct query *q, const struct decision *d, const struct record *attempt);

/* Whether the query looks at the field: whoever asks for `state` wants to see the unfinished. */
bool query_names(const struct query *q, enum group g, enum field f);

/* Whether it looks at what came after decisions had ended (late.h): shadow., feedback., or attempts whose purpose is shadow. */
bool query_wants_late(const struct query *q);
