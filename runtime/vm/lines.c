#include "vm/lexer.h"
#include "vm/lines.h"

enum { DEEPEST = 1024 };

/* What is open around the present token. A RETURN is open from its first expression to its last. */
enum frame { F_FUNCTION = 'f', F_DO = 'd', F_IF = 'i', F_REPEAT = 'r', F_RETURN = 'R' };

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

/* Whether the present token ends the block that it is in, and so a `return` before it. */
static bool is_block_end(const struct lexer *x, enum token t)
{
    if (t == T_END_OF_FILE)
        return true;
    if (t == T_OTHER)
        return *x->start == ';';
    return lexer_is(x, "end") || lexer_is(x, "else") || lexer_is(x, "elseif") || lexer_is(x, "until");
}

/* After the word `return`: looks one token ahead and opens the call unless nothing is returned. */
static bool open_return(struct writer *w)
{
    struct lexer ahead = w->lex;
    enum token t = lexer_next(&ahead);
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
    if (lexer_is(x, "return"))
        return open_return(w);
    if (lexer_is(x, "function"))
        return push(w, F_FUNCTION);
    if (lexer_is(x, "do"))
        return push(w, F_DO);
    if (lexer_is(x, "if"))
        return push(w, F_IF);
    if (lexer_is(x, "repeat"))
        return push(w, F_REPEAT);
    if (lexer_is(x, "until"))
        return pop(w, F_REPEAT);
    if (lexer_is(x, "end"))
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
        .out = out, .copied = source.p, .last_end = source.p, .file_index = file_index, .lex = lexer_open(source)};
    for (;;) {
        enum token t = lexer_next(&w.lex);
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
