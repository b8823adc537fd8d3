/*
 * lexer: the tokens of a Lua source, one after the other, for what reads sources without compiling
 * them (lines.h, lint.h). Names and keywords are words; strings and numbers are one token each; of
 * anything else every character is a token of its own ("==" is two). Keeps nothing but pointers into
 * the source.
 *
 *     struct lexer x = lexer_open(source);
 *     while ((t = lexer_next(&x)) == T_WORD || t == T_OTHER) ... lexer_text(&x) ...
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"

/* T_BROKEN: a string or a comment that does not end. */
enum token { T_END_OF_FILE, T_WORD, T_OTHER, T_BROKEN };

struct lexer {
    const char *at, *end;
    const char *start; /* of the present token, after blanks and comments */
    int line;          /* of its start */
    int next_line;     /* of `at` */
};

struct lexer lexer_open(struct str source);
enum token lexer_next(struct lexer *x);

/* Whether the present token is this word. */
bool lexer_is(const struct lexer *x, const char *word);

static inline struct str lexer_text(const struct lexer *x)
{
    return str_n(x->start, (size_t)(x->at - x->start));
}
