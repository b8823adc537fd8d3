/*
 * search: PCRE2 patterns that end, whatever the pattern and the text.
 *
 * PCRE2's match limit holds for one start position only, so a hopeless search over a long text could take minutes inside one call. A
 * search is therefore cut into runs of start positions (offset limit), which grow while they are cheap and look at the clock in between:
 * 40 ms is the most. UTF-8 with Unicode classes; bytes that are no UTF-8 match nothing. One thread.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct search;

enum { SEARCH_MAX_PATTERN = 16 << 10, SEARCH_MAX_GROUPS = 32 };

/* NULL with err: "missing closing parenthesis at offset 1". */
struct search *search_new(struct str pattern, struct err *err);
void search_free(struct search *s);
int search_groups(const struct search *s);

enum search_verdict { SEARCH_NONE, SEARCH_FOUND, SEARCH_OVER };

/* The first match from byte `at` on (at most text.len, between characters). SEARCH_OVER: it takes too many steps. */
enum search_verdict search_text(const struct search *s, struct str text, size_t at);

/* Where the last search_text found something: start and end of the match, then of each group ((size_t)-1: took no part). */
const size_t *search_found(void);
