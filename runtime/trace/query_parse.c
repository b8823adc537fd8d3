#include "trace/query_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

enum token { T_END, T_WORD, T_QUOTED, T_OP, T_OPEN, T_CLOSE, T_BAD };

struct parser {
    struct query *query;
    struct str text;
    struct err *err;
    size_t at;    /* of what follows the token */
    size_t begin; /* of the token */
    enum token token;
    struct str word; /* the token's text; of a quoted string without its quotes, escapes decoded */
    enum query_op op;
    int depth;
    bool has_failed;
};

/* The reason, the query and a caret under byte `at`; of a long query the part around it. */
static struct query_node *fail(struct parser *p, size_t at, const char *format, ...)
{
    if (p->has_failed)
        return NULL;
    p->has_failed = true;
    char why[200];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    size_t from = at > 60 ? at - 60 : 0, len = p->text.len - from;
    if (len > 120)
        len = 120;
    err_set(p->err, ERR_BAD_REQUEST, "%s\n  %.*s\n  %*s^", why, (int)len, p->text.p + from, (int)(at - from), "");
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
    return !is_blank(c) && !strchr("()\"'=!<>~", c);
}

static void read_quoted(struct parser *p, char quote)
{
    char *out = arena_alloc(&p->query->arena, p->text.len);
    size_t len = 0;
    for (p->at++; p->at < p->text.len; p->at++) {
        char c = p->text.p[p->at];
        if (c == quote) {
            p->at++;
            p->word = str_n(out, len);
            p->token = T_QUOTED;
            return;
        }
        bool is_escape = c == '\\' && p->at + 1 < p->text.len &&
                         (p->text.p[p->at + 1] == quote || p->text.p[p->at + 1] == '\\');
        out[len++] = is_escape ? p->text.p[++p->at] : c;
    }
    p->token = T_BAD;
    fail(p, p->begin, "this quote is not closed");
}

static void read_op(struct parser *p)
{
    static const struct {
        const char *text;
        enum query_op op;
    } ops[] = {{"==", QUERY_EQ}, {"!=", QUERY_NE}, {"<=", QUERY_LE}, {">=", QUERY_GE},
               {"<", QUERY_LT},  {">", QUERY_GT},  {"~", QUERY_LIKE}};
    struct str rest = str_n(p->text.p + p->at, p->text.len - p->at);
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (str_starts(rest, ops[i].text)) {
            p->op = ops[i].op;
            p->at += strlen(ops[i].text);
            p->token = T_OP;
            return;
        }
    p->token = T_BAD;
    fail(p, p->begin, rest.p[0] == '=' ? "one = is no comparison: write ==" : "! alone is no operator: write != or not");
}

static void next(struct parser *p)
{
    while (p->at < p->text.len && is_blank(p->text.p[p->at]))
        p->at++;
    p->begin = p->at;
    p->token = T_END;
    if (p->at == p->text.len)
        return;
    char c = p->text.p[p->at];
    if (c == '(' || c == ')') {
        p->token = c == '(' ? T_OPEN : T_CLOSE;
        p->at++;
    } else if (c == '"' || c == '\'') {
        read_quoted(p, c);
    } else if (!is_word(c)) {
        read_op(p);
    } else {
        while (p->at < p->text.len && is_word(p->text.p[p->at]))
            p->at++;
        p->word = str_n(p->text.p + p->begin, p->at - p->begin);
        p->token = T_WORD;
    }
}

static bool is_keyword(const struct parser *p, const char *word)
{
    return p->token == T_WORD && str_eq(p->word, word);
}

static struct query_node *new_node(struct parser *p, enum query_op op)
{
    struct query *q = p->query;
    if (q->count == QUERY_MAX_NODES)
        return fail(p, p->begin, "a query has at most %d comparisons and joints", QUERY_MAX_NODES);
    struct query_node *node = &q->nodes[q->count++];
    *node = (struct query_node){.op = op};
    return node;
}

static struct query_node *join(struct parser *p, enum query_op op, struct query_node *left, struct query_node *right)
{
    struct query_node *node = left && right ? new_node(p, op) : NULL;
    if (node) {
        node->left = left;
        node->right = right;
    }
    return node;
}

static bool is_textual(enum field_type type)
{
    return type == FIELD_STR || type == FIELD_LIST || type == FIELD_JSON || type == FIELD_TIME;
}

static struct query_node *compile_pattern(struct parser *p, struct query_node *node)
{
    int code;
    PCRE2_SIZE place;
    node->pattern = pcre2_compile((PCRE2_SPTR)node->text.p, node->text.len, 0, &code, &place, NULL);
    if (node->pattern)
        return node;
    unsigned char why[120];
    pcre2_get_error_message(code, why, sizeof why);
    return fail(p, p->begin, "bad pattern: %s", (char *)why);
}

static struct query_node *typed(struct parser *p, struct query_node *node, const char *name)
{
    enum field_type type = field_types[node->show->field];
    bool is_bare = p->token == T_WORD;
    node->text = p->word;
    node->type = VALUE_TEXT;
    if (is_bare && str_eq(p->word, "null"))
        node->type = VALUE_NULL;
    if (node->type == VALUE_NULL && node->op != QUERY_EQ && node->op != QUERY_NE)
        return fail(p, p->begin, "null can only be compared by == and !=");
    if (node->op == QUERY_LIKE)
        return is_textual(type) ? compile_pattern(p, node)
                                : fail(p, p->begin, "%s is not a string: ~ takes strings only", name);
    if (node->type == VALUE_NULL || is_textual(type))
        return node;
    if (type == FIELD_BOOL) {
        node->type = VALUE_BOOL;
        node->number = str_eq(p->word, "true");
        bool is_known = node->number || str_eq(p->word, "false");
        return is_known ? node : fail(p, p->begin, "%s is true or false", name);
    }
    char digits[64], *end;
    snprintf(digits, sizeof digits, STR_FMT, STR_ARG(p->word));
    node->type = VALUE_NUMBER;
    node->number = strtod(digits, &end);
    return end != digits && *end == '\0' ? node : fail(p, p->begin, "%s is a number", name);
}

static struct query_node *comparison(struct parser *p)
{
    if (p->token != T_WORD)
        return fail(p, p->begin, p->token == T_END ? "a comparison is missing here" : "the name of a field belongs here");
    const struct show *near;
    char name[64];
    const struct show *show = field_find(p->word, &near);
    if (show == NULL && near)
        return fail(p, p->begin, "no field " STR_FMT " (did you mean %s?)", (int)(p->word.len < 60 ? p->word.len : 60), p->word.p,
                    field_query_name(near, name, sizeof name));
    if (show == NULL)
        return fail(p, p->begin, "no field " STR_FMT ": `wye trace --fields` lists them",
                    (int)(p->word.len < 60 ? p->word.len : 60), p->word.p);
    field_query_name(show, name, sizeof name);
    next(p);
    if (p->token != T_OP)
        return fail(p, p->begin, "an operator belongs here: == != < <= > >= ~");
    struct query_node *node = new_node(p, p->op);
    if (node == NULL)
        return NULL;
    node->show = show;
    next(p);
    if (p->token != T_WORD && p->token != T_QUOTED)
        return fail(p, p->begin, "a value belongs here");
    node = typed(p, node, name);
    next(p);
    return node;
}

static struct query_node *any(struct parser *p);

static struct query_node *one(struct parser *p)
{
    if (p->depth == QUERY_MAX_DEPTH)
        return fail(p, p->begin, "nested too deeply");
    p->depth++;
    struct query_node *node = NULL;
    if (is_keyword(p, "not")) {
        next(p);
        struct query_node *inner = one(p);
        node = inner ? new_node(p, QUERY_NOT) : NULL;
        if (node)
            node->left = inner;
    } else if (p->token == T_OPEN) {
        size_t begin = p->begin;
        next(p);
        node = any(p);
        if (node && p->token != T_CLOSE)
            node = fail(p, begin, "this parenthesis is not closed");
        next(p);
    } else {
        node = comparison(p);
    }
    p->depth--;
    return node;
}

static struct query_node *all(struct parser *p)
{
    struct query_node *node = one(p);
    while (node && is_keyword(p, "and")) {
        next(p);
        node = join(p, QUERY_AND, node, one(p));
    }
    return node;
}

static struct query_node *any(struct parser *p)
{
    struct query_node *node = all(p);
    while (node && is_keyword(p, "or")) {
        next(p);
        node = join(p, QUERY_OR, node, all(p));
    }
    return node;
}

int query_parse(struct query *q, struct str text, struct err *err)
{
    struct parser p = {.query = q, .text = text, .err = err};
    if (text.len > QUERY_MAX_TEXT)
        return err_set(err, ERR_BAD_REQUEST, "a query has at most %d bytes", QUERY_MAX_TEXT);
    next(&p);
    q->root = any(&p);
    if (q->root && p.token != T_END)
        q->root = fail(&p, p.begin, "and, or, or the end belongs here");
    return p.has_failed ? -1 : 0;
}
