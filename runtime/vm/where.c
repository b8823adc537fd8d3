#include "vm/where.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/alloc.h"

enum token_type { END, NAME, STRING, NUMBER, SYMBOL };

struct token {
    enum token_type type;
    struct str text; /* a string's is what stands between its quotes */
    int line;
};

/* Copied to look ahead. */
struct lexer {
    const char *at, *end;
    int line;
};

enum { DEEPEST = 32 };

static char char_at(const struct lexer *x, size_t offset)
{
    return (size_t)(x->end - x->at) > offset ? x->at[offset] : '\0';
}

static void step_over(struct lexer *x, size_t count)
{
    for (; count > 0 && x->at < x->end; count--)
        x->line += *x->at++ == '\n';
}

/* The number of '=' in "[==[", or -1 when no long bracket opens here. */
static int long_bracket(const struct lexer *x)
{
    int level = 0;
    if (char_at(x, 0) != '[')
        return -1;
    while (char_at(x, (size_t)level + 1) == '=')
        level++;
    return char_at(x, (size_t)level + 1) == '[' ? level : -1;
}

static bool closes_bracket(const struct lexer *x, int level)
{
    if (char_at(x, 0) != ']' || char_at(x, (size_t)level + 1) != ']')
        return false;
    for (int i = 1; i <= level; i++)
        if (char_at(x, (size_t)i) != '=')
            return false;
    return true;
}

static struct str read_long(struct lexer *x, int level)
{
    step_over(x, (size_t)level + 2);
    const char *start = x->at;
    while (x->at < x->end && !closes_bracket(x, level))
        step_over(x, 1);
    struct str text = str_n(start, (size_t)(x->at - start));
    step_over(x, (size_t)level + 2);
    return text;
}

static struct str read_quoted(struct lexer *x)
{
    char quote = *x->at;
    step_over(x, 1);
    const char *start = x->at;
    while (x->at < x->end && *x->at != quote && *x->at != '\n')
        step_over(x, *x->at == '\\' ? 2 : 1);
    struct str text = str_n(start, (size_t)(x->at - start));
    step_over(x, 1);
    return text;
}

static void skip_blanks(struct lexer *x)
{
    for (;;) {
        while (x->at < x->end && isspace((unsigned char)*x->at))
            step_over(x, 1);
        if (char_at(x, 0) != '-' || char_at(x, 1) != '-')
            return;
        step_over(x, 2);
        int level = long_bracket(x);
        if (level >= 0)
            read_long(x, level);
        else
            while (x->at < x->end && *x->at != '\n')
                step_over(x, 1);
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* "==" and its like must not be taken for "=". */
static size_t symbol_length(const struct lexer *x)
{
    char c = char_at(x, 0);
    return strchr("=~<>", c) && char_at(x, 1) == '=' ? 2 : 1;
}

static struct token next(struct lexer *x)
{
    skip_blanks(x);
    struct token t = {.line = x->line, .text = {x->at, 0}};
    if (x->at == x->end)
        return t;
    int level = long_bracket(x);
    if (level >= 0 || *x->at == '"' || *x->at == '\'') {
        t.type = STRING;
        t.text = level >= 0 ? read_long(x, level) : read_quoted(x);
        return t;
    }
    t.type = isdigit((unsigned char)*x->at) ? NUMBER : is_word(*x->at) ? NAME : SYMBOL;
    size_t len = t.type == SYMBOL ? symbol_length(x) : 0;
    while (t.type != SYMBOL &&
           (is_word(char_at(x, len)) || (t.type == NUMBER && char_at(x, len) == '.')))
        len++;
    t.text.len = len;
    step_over(x, len);
    return t;
}

static bool is_symbol(struct token t, const char *text)
{
    return t.type == SYMBOL && str_eq(t.text, text);
}

static bool next_is(struct lexer *x, const char *symbol)
{
    struct lexer ahead = *x;
    if (!is_symbol(next(&ahead), symbol))
        return false;
    *x = ahead;
    return true;
}

/* One entry of a constructor: its key, or (key.p NULL) its index. */
struct item {
    struct str key;
    int index;
    int line;
};

/* Reads a key up to its value. False at the closing brace or the end of the source. */
static bool next_item(struct lexer *x, int *positional, struct item *out)
{
    struct lexer ahead = *x;
    struct token t = next(&ahead);
    if (t.type == END || is_symbol(t, "}")) {
        *x = ahead;
        return false;
    }
    *out = (struct item){.line = t.line};
    if (t.type == NAME && next_is(&ahead, "=")) {
        out->key = t.text;
        *x = ahead;
        return true;
    }
    if (is_symbol(t, "[")) {
        t = next(&ahead);
        if (t.type == STRING && next_is(&ahead, "]") && next_is(&ahead, "=")) {
            out->key = t.text;
            *x = ahead;
            return true;
        }
    }
    out->index = ++*positional;
    return true;
}

/* Past the value and the comma behind it, to the next item or before the closing brace. */
static void skip_value(struct lexer *x)
{
    for (int depth = 0;;) {
        struct lexer ahead = *x;
        struct token t = next(&ahead);
        bool opens = is_symbol(t, "{") || is_symbol(t, "(") || is_symbol(t, "[");
        bool closes = is_symbol(t, "}") || is_symbol(t, ")") || is_symbol(t, "]");
        if (t.type == END || (depth == 0 && closes))
            return;
        *x = ahead;
        depth += opens - closes;
        if (depth == 0 && (is_symbol(t, ",") || is_symbol(t, ";")))
            return;
    }
}

/* The lexer behind the brace of `NAME = {`, the last such in the source. */
static bool find_assigned(struct str source, struct str name, struct lexer *out)
{
    struct lexer x = {source.p, source.p + source.len, 1};
    bool found = false;
    for (struct token t = next(&x); t.type != END; t = next(&x)) {
        if (t.type != NAME || !str_same(t.text, name))
            continue;
        struct lexer ahead = x;
        if (next_is(&ahead, "=") && next_is(&ahead, "{")) {
            *out = ahead;
            found = true;
        }
    }
    return found;
}

/* The lexer behind the opening brace of what the file returns. *line: of the `return`. */
static bool find_returned(struct str source, struct lexer *out, int *line)
{
    struct lexer x = {source.p, source.p + source.len, 1}, behind = x;
    *line = 0;
    for (struct token t = next(&x); t.type != END; t = next(&x)) {
        if (t.type == NAME && str_eq(t.text, "return")) {
            behind = x;
            *line = t.line;
        }
    }
    if (*line == 0)
        return false;
    if (next_is(&behind, "{")) {
        *out = behind;
        return true;
    }
    struct token name = next(&behind);
    return name.type == NAME && find_assigned(source, name.text, out);
}

static bool is_at(const struct item *item, const struct where_step *step)
{
    if (step->name == NULL)
        return item->key.p == NULL && item->index == step->index;
    return item->key.p && str_eq(item->key, step->name);
}

/* The line of the step in the constructor, 0 when it is not written there; then *inside: whether x stands in its table. */
static int find_step(struct lexer *x, const struct where_step *step, bool *inside)
{
    struct item item;
    int positional = 0;
    while (next_item(x, &positional, &item)) {
        if (is_at(&item, step)) {
            *inside = next_is(x, "{");
            return item.line;
        }
        skip_value(x);
    }
    return 0;
}

int where_line(struct str source, const struct where_step *path, int depth)
{
    struct lexer x;
    int line;
    bool inside = find_returned(source, &x, &line);
    for (int i = 0; inside && i < depth; i++) {
        int found = find_step(&x, &path[i], &inside);
        if (found == 0)
            break;
        line = found;
    }
    return line > 0 ? line : 1;
}

struct keys {
    struct item *items;
    int count, room;
};

static const struct item *remember(struct keys *keys, const struct item *item)
{
    for (int i = 0; i < keys->count; i++)
        if (str_same(keys->items[i].key, item->key))
            return &keys->items[i];
    if (keys->count == keys->room) {
        keys->room = keys->room ? keys->room * 2 : 16;
        keys->items = xrealloc(keys->items, (size_t)keys->room * sizeof *keys->items);
    }
    keys->items[keys->count++] = *item;
    return NULL;
}

static bool twice_in(struct lexer *x, int depth, struct where_twice *out)
{
    struct keys keys = {0};
    struct item item;
    int positional = 0;
    bool found = false;
    while (!found && next_item(x, &positional, &item)) {
        const struct item *earlier = item.key.p ? remember(&keys, &item) : NULL;
        if (earlier) {
            *out = (struct where_twice){item.key, earlier->line, item.line};
            found = true;
        } else if (depth < DEEPEST && next_is(x, "{")) {
            found = twice_in(x, depth + 1, out);
        }
        skip_value(x);
    }
    free(keys.items);
    return found;
}

bool where_twice(struct str source, struct where_twice *out)
{
    struct lexer x;
    int line;
    return find_returned(source, &x, &line) && twice_in(&x, 0, out);
}
