#include "vm/lines.h"

#include <ctype.h>

enum { DEEPEST = 1024 };

enum token { T_END_OF_FILE, T_WORD, T_OTHER, T_BROKEN };

/* What is open around the present token. A RETURN is open from its first expression to its last. */
enum frame { F_FUNCTION = 'f', F_DO = 'd', F_IF = 'i', F_REPEAT = 'r', F_RETURN = 'R' };

struct lexer {
    const char *at, *end;
    const char *start; /* of the present token, after blanks and comments */
    int line;          /* of its start */
    int next_line;     /* of `at` */
};

struct writer {
    struct lexer lex;
    struct buf *out;
    const char *copied;   /* the source up to here is in `out` */
    const char *last_end; /* where the token before the present one ended */
    char stack[DEEPEST];
    int depth;
    int file_index;
    bool is_full;
};

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

static enum token next(struct lexer *x)
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

static void copy_to(struct writer *w, const char *to)
{
    if (buf_append(w->out, w->copied, (size_t)(to - w->copied)) < 0)
        w->is_full = true;
    w->copied = to;
}

static bool push(struct writer *w, char frame)
{
    if (w->depth == DEEPEST)
        return false;
    w->stack[w->depth++] = frame;
    return true;
}

static bool pop(struct writer *w, char frame)
{
    if (w->depth == 0 || w->stack[w->depth - 1] != frame)
        return false;
    w->depth--;
    return true;
}

/* `end` closes whatever block is open; the other closers name theirs. */
static bool pop_block(struct writer *w)
{
    return pop(w, F_FUNCTION) || pop(w, F_DO) || pop(w, F_IF);
}

static bool is_word(const struct lexer *x, const char *word)
{
    return str_eq(str_n(x->start, (size_t)(x->at - x->start)), word);
}

/* Whether the present token ends the block that it is in, and so a `return` before it. */
static bool is_block_end(const struct lexer *x, enum token t)
{
    if (t == T_END_OF_FILE)
        return true;
    if (t == T_OTHER)
        return *x->start == ';';
    return is_word(x, "end") || is_word(x, "else") || is_word(x, "elseif") || is_word(x, "until");
}

/* After the word `return`: looks one token ahead and opens the call unless nothing is returned. */
static bool open_return(struct writer *w)
{
    struct lexer ahead = w->lex;
    enum token t = next(&ahead);
    if (t == T_BROKEN)
        return false;
    if (is_block_end(&ahead, t))
        return true;
    copy_to(w, w->lex.at);
    if (buf_printf(w->out, " __at(%d,", lines_place(w->file_index, w->lex.line)) < 0)
        w->is_full = true;
    return push(w, F_RETURN);
}

static bool see_word(struct writer *w)
{
    const struct lexer *x = &w->lex;
    if (is_word(x, "return"))
        return open_return(w);
    if (is_word(x, "function"))
        return push(w, F_FUNCTION);
    if (is_word(x, "do"))
        return push(w, F_DO);
    if (is_word(x, "if"))
        return push(w, F_IF);
    if (is_word(x, "repeat"))
        return push(w, F_REPEAT);
    if (is_word(x, "until"))
        return pop(w, F_REPEAT);
    if (is_word(x, "end"))
        return pop_block(w);
    return true;
}

static bool see_other(struct writer *w)
{
    switch (*w->lex.start) {
    case '(':
    case '{':
        return push(w, *w->lex.start);
    case '[': /* a long string is one token and opens nothing */
        return w->lex.at - w->lex.start > 1 || push(w, '[');
    case ')':
        return pop(w, '(');
    case '}':
        return pop(w, '{');
    case ']':
        return pop(w, '[');
    default:
        return true;
    }
}

static bool see(struct writer *w, enum token t)
{
    if (t == T_BROKEN)
        return false;
    if (is_block_end(&w->lex, t) && pop(w, F_RETURN)) {
        copy_to(w, w->last_end);
        if (buf_putc(w->out, ')') < 0)
            w->is_full = true;
    }
    if (t == T_WORD)
        return see_word(w);
    return t == T_END_OF_FILE ? w->depth == 0 : see_other(w);
}

int lines_instrument(struct str source, int file_index, struct buf *out)
{
    size_t before = out->len;
    struct writer w = {
        .out = out, .copied = source.p, .last_end = source.p, .file_index = file_index};
    w.lex = (struct lexer){.at = source.p, .end = source.p + source.len, .next_line = 1};
    if (source.len > 0 && *source.p == '#') /* the compiler skips such a first line too */
        while (w.lex.at < w.lex.end && !is_line_end(*w.lex.at))
            w.lex.at++;
    for (;;) {
        enum token t = next(&w.lex);
        if (!see(&w, t)) {
            out->len = before;
            return buf_append(out, source.p, source.len);
        }
        if (t == T_END_OF_FILE)
            break;
        w.last_end = w.lex.at;
    }
    copy_to(&w, w.lex.end);
    return w.is_full ? -1 : 0;
}
