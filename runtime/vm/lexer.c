#include "vm/lexer.h"

#include <ctype.h>

static bool is_word_char(unsigned char c)
{
    return isalnum(c) || c == '_' || c >= 0x80;
}

/* Steps over one line end; "\r\n" and "\n\r" are one, as for the compiler. */
static void skip_line_end(struct lexer *x)
{
    char first = *x->at++;
    if (x->at < x->end && (*x->at == '\n' || *x->at == '\r') && *x->at != first)
        x->at++;
    x->next_line++;
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* At '[': the number of '=' when a long bracket opens here, else -1. */
static int long_level(const struct lexer *x)
{
    const char *p = x->at + 1;
    while (p < x->end && *p == '=')
        p++;
    return p < x->end && *p == '[' ? (int)(p - x->at) - 1 : -1;
}

static bool skip_long(struct lexer *x, int level)
{
    x->at += level + 2;
    while (x->at < x->end) {
        if (is_line_end(*x->at)) {
            skip_line_end(x);
            continue;
        }
        if (*x->at++ != ']')
            continue;
        const char *p = x->at;
        while (p < x->end && *p == '=')
            p++;
        if (p < x->end && *p == ']' && p - x->at == level) {
            x->at = p + 1;
            return true;
        }
    }
    return false;
}

static bool skip_quoted(struct lexer *x)
{
    char quote = *x->at++;
    while (x->at < x->end && *x->at != quote) {
        if (is_line_end(*x->at))
            return false;
        if (*x->at++ != '\\')
            continue;
        if (x->at == x->end)
            return false;
        if (*x->at == 'z') {
            x->at++;
            while (x->at < x->end && isspace((unsigned char)*x->at)) {
                if (is_line_end(*x->at))
                    skip_line_end(x);
                else
                    x->at++;
            }
        } else if (is_line_end(*x->at)) {
            skip_line_end(x);
        } else {
            x->at++;
        }
    }
    if (x->at == x->end)
        return false;
    x->at++;
    return true;
}

/* Blanks and comments; false when a long comment does not end. */
static bool skip_blank(struct lexer *x)
{
    while (x->at < x->end) {
        if (is_line_end(*x->at)) {
            skip_line_end(x);
        } else if (isspace((unsigned char)*x->at)) {
            x->at++;
        } else if (x->end - x->at >= 2 && x->at[0] == '-' && x->at[1] == '-') {
            x->at += 2;
            int level = x->at < x->end && *x->at == '[' ? long_level(x) : -1;
            if (level >= 0) {
                if (!skip_long(x, level))
                    return false;
            } else {
                while (x->at < x->end && !is_line_end(*x->at))
                    x->at++;
            }
        } else {
            break;
        }
    }
    return true;
}

/* Numbers swallow what follows them as the compiler does: "1e+5", "0x1p-3", "10ULL". */
static void skip_number(struct lexer *x)
{
    const char *exponents = x->end - x->at > 1 && (x->at[1] | 32) == 'x' ? "pP" : "eE";
    while (x->at < x->end && (isalnum((unsigned char)*x->at) || *x->at == '.')) {
        bool is_exponent = *x->at == exponents[0] || *x->at == exponents[1];
        x->at++;
        if (is_exponent && x->at < x->end && (*x->at == '+' || *x->at == '-'))
            x->at++;
    }
}

enum token lexer_next(struct lexer *x)
{
    if (!skip_blank(x))
        return T_BROKEN;
    x->start = x->at;
    x->line = x->next_line;
    if (x->at == x->end)
        return T_END_OF_FILE;
    unsigned char c = (unsigned char)*x->at;
    if (isdigit(c)) {
        skip_number(x);
        return T_OTHER;
    }
    if (is_word_char(c)) {
        while (x->at < x->end && is_word_char((unsigned char)*x->at))
            x->at++;
        return T_WORD;
    }
    if (c == '"' || c == '\'')
        return skip_quoted(x) ? T_OTHER : T_BROKEN;
    if (c == '[' && long_level(x) >= 0)
        return skip_long(x, long_level(x)) ? T_OTHER : T_BROKEN;
    x->at++;
    return T_OTHER;
}

struct lexer lexer_open(struct str source)
{
    struct lexer x = {.at = source.p, .end = source.p + source.len, .next_line = 1};
    if (source.len > 0 && *source.p == '#') /* the compiler skips such a first line too */
        while (x.at < x.end && !is_line_end(*x.at))
            x.at++;
    return x;
}

bool lexer_is(const struct lexer *x, const char *word)
{
    return str_eq(lexer_text(x), word);
}
