/* query_parse: the tree of a query. For query.c. */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "trace/query.h"

enum query_op { QUERY_AND, QUERY_OR, QUERY_NOT, QUERY_EQ, QUERY_NE, QUERY_LT, QUERY_LE, QUERY_GT, QUERY_GE, QUERY_LIKE };
enum query_value { VALUE_NULL, VALUE_NUMBER, VALUE_BOOL, VALUE_TEXT };

struct query_node {
    enum query_op op;
    struct query_node *left, *right; /* NOT: left only */
    const struct show *show;         /* comparisons */
    enum query_value type;
    double number; /* VALUE_BOOL: 0 or 1 */
    struct str text;
    pcre2_code *pattern;
};

enum { QUERY_MAX_TEXT = 8192, QUERY_MAX_NODES = 512, QUERY_MAX_DEPTH = 64 };

struct query {
    struct arena arena;
    struct query_node nodes[QUERY_MAX_NODES];
    int count;
    struct query_node *root;
    pcre2_match_context *limits;
    pcre2_match_data *found;
};

/* Fills the tree. 0, or -1 with err. */
int query_parse(struct query *q, struct str text, struct err *err);
