/*
 * eval_cases: the eval set of a route: what it is asked, and what must be true of its answers.
 *
 * PROJECT/evals/ROUTE.jsonl holds one case a line: {"id", "prompt" or "request", "expect", "tags"}. Everything that can be wrong is found while
 * reading, with file, line and the near name; code of Lua is compiled by eval_lua.h.
 *
 *     struct eval_cases set;
 *     if (eval_cases_read(&set, "routes", "cascade", config, &err) < 0) ...err: "routes/evals/cascade.jsonl:3: …"
 *     eval_cases_clear(&set);           // whatever was returned
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/schema.h"
#include "base/search.h"
#include "vm/config.h"

enum { EVAL_CASES_MOST = 20000, EVAL_TAGS = 16, EVAL_PATH = 4096 };

/* What an answer is held to: the name in `expect`. A case may have several; all must hold. */
#define EXPECTATIONS(X)                                                                                                          \
    X(MODEL, "model")       /* the "provider/id" that served, or a list of those that may */                                     \
    X(EXACT, "exact")       /* the text, but for blanks around it, or a list of those that may be */                             \
    X(CONTAINS, "contains") /* a text that must occur, or a list of which all must */                                            \
    X(REGEX, "regex")       /* PCRE2; must match somewhere */                                                                    \
    X(NUMERIC, "numeric")   /* {value, tolerance} or a number: the last number of the text */                                    \
    X(SCHEMA, "schema")     /* the text is JSON that follows this schema, or the one in this file of the project */              \
    X(LUA, "lua")           /* code with `reply` and `req`, which returns whether it is right, and why not */                    \
    X(JUDGE, "judge")       /* a criterion, or {criterion, model}: a model says whether the answer meets it */

enum expect_kind {
#define X(name, text) EXPECT_##name,
    EXPECTATIONS(X)
#undef X
        EXPECT_COUNT
};
extern const char *const EXPECT_NAMES[];

struct expectation {
    enum expect_kind kind;
    struct str raw;  /* its JSON */
    struct str text; /* decoded: the pattern, the code, the criterion */
    union {
        struct search *search;
        struct schema *schema;
        const struct model *judge; /* NULL: whoever judges */
        struct {
            double value, tolerance;
        } number;
    };
};

struct eval_case {
    int line;
    const char *id;
    char key[17];       /* hash of the line: another one is another case */
    struct str request; /* a chat completion's body without model and stream */
    struct str prompt;  /* the text of the user's last message */
    struct expectation expect[EXPECT_COUNT]; /* in the order of EXPECTATIONS: what is free comes first */
    int expect_count;
    const char *tags[EVAL_TAGS];
    int tag_count;
};

struct eval_cases {
    char path[EVAL_PATH]; /* of the file */
    char route[128];
    struct eval_case *at;
    int count, room;
    struct arena arena;
};

/* Does the route have a set? */
bool eval_cases_exist(const char *project, const char *route);

/* Models and files are looked up in `config` and under `project`. -1 also for a set without cases. */
int eval_cases_read(struct eval_cases *set, const char *project, const char *route, const struct config *config, struct err *err);
void eval_cases_clear(struct eval_cases *set);

const struct expectation *eval_case_expects(const struct eval_case *c, enum expect_kind kind);
