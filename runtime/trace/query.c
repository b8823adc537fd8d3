#include "trace/query.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "trace/query_parse.h"

enum { MATCH_STEPS = 100000, ARENA_LIMIT = 64 * QUERY_MAX_TEXT * 1024 };

struct query *query_compile(struct str text, struct err *err)
{
    struct query *q = xcalloc(1, sizeof *q);
    q->arena = ARENA(ARENA_LIMIT);
    q->limits = pcre2_match_context_create(NULL);
    q->found = pcre2_match_data_create(1, NULL);
    pcre2_set_match_limit(q->limits, MATCH_STEPS);
    pcre2_set_heap_limit(q->limits, 1024); /* KiB */
    char *copy = arena_strndup(&q->arena, text.p, text.len);
    if (query_parse(q, str_n(copy, text.len), err) == 0)
        return q;
    query_free(q);
    return NULL;
}

void query_free(struct query *q)
{
    if (q == NULL)
        return;
    for (int i = 0; i < q->count; i++)
        pcre2_code_free(q->nodes[i].pattern);
    pcre2_match_context_free(q->limits);
    pcre2_match_data_free(q->found);
    arena_clear(&q->arena);
    free(q);
}

static bool holds(enum query_op op, double order)
{
    switch (op) {
    case QUERY_EQ:
        return order == 0;
    case QUERY_NE:
        return order != 0;
    case QUERY_LT:
        return order < 0;
    case QUERY_LE:
        return order <= 0;
    case QUERY_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static int order_of(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.p, b.p, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool text_holds(const struct query *q, const struct query_node *node, struct str text)
{
    if (node->op != QUERY_LIKE)
        return holds(node->op, order_of(text, node->text));
    return pcre2_match(node->pattern, (PCRE2_SPTR)text.p, text.len, 0, 0, q->found, q->limits) >= 0;
}

static bool value_holds(const struct query *q, const struct query_node *node, const struct value *v)
{
    char time[40];
    enum field_type type = field_types[v->field];
    if (node->type == VALUE_NULL)
        return node->op == QUERY_NE;
    if (type == FIELD_TIME)
        return text_holds(q, node, str_of(clock_format((uint64_t)v->i, time, sizeof time)));
    if (v->kind == KIND_STR)
        return node->type == VALUE_TEXT && text_holds(q, node, v->text);
    double number = v->kind == KIND_NUM ? v->num : (double)v->i;
    if (type == FIELD_MS)
        number /= 1000;
    return node->type != VALUE_TEXT && holds(node->op, number - node->number);
}

static bool record_holds(const struct query *q, const struct query_node *node, const struct record *r)
{
    enum field f = node->show->field;
    const struct value *newest = record_get(r, f);
    if (newest == NULL)
        return node->type == VALUE_NULL ? node->op == QUERY_EQ : node->op == QUERY_NE;
    if (field_types[f] != FIELD_LIST)
        return value_holds(q, node, newest);
    for (int i = 0; i < r->count; i++)
        if (r->values[i].field == f && value_holds(q, node, &r->values[i]))
            return true;
    return false;
}

static bool comparison_holds(const struct query *q, const struct query_node *node, const struct decision *d,
                             const struct record *attempt)
{
    enum group g = node->show->group;
    if (attempt && group_home(g) == GROUP_ATTEMPT)
        return record_holds(q, node, attempt);
    const struct record *r;
    for (int i = 0; (r = decision_next(d, g, &i));)
        if (record_holds(q, node, r))
            return true;
    return false;
}

static bool node_holds(const struct query *q, const struct query_node *node, const struct decision *d,
                       const struct record *attempt)
{
    switch (node->op) {
    case QUERY_AND:
        return node_holds(q, node->left, d, attempt) && node_holds(q, node->right, d, attempt);
    case QUERY_OR:
        return node_holds(q, node->left, d, attempt) || node_holds(q, node->right, d, attempt);
    case QUERY_NOT:
        return !node_holds(q, node->left, d, attempt);
    default:
        return comparison_holds(q, node, d, attempt);
    }
}

bool query_match(const struct query *q, const struct decision *d, const struct record *attempt)
{
    return node_holds(q, q->root, d, attempt);
}

bool query_names(const struct query *q, enum group g, enum field f)
{
    for (int i = 0; i < q->count; i++)
        if (q->nodes[i].show && q->nodes[i].show->group == g && q->nodes[i].show->field == f)
            return true;
    return false;
}

static bool is_late(const struct query_node *node)
{
    const struct show *show = node->show;
    return show && (show->group == GROUP_SHADOW || show->group == GROUP_FEEDBACK || (show->field == F_PURPOSE && str_eq(node->text, "shadow")));
}

bool query_wants_late(const struct query *q)
{
    for (int i = 0; i < q->count; i++)
        if (is_late(&q->nodes[i]))
            return true;
    return false;
}
