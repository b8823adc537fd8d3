/*
 * eval_grade: is an answer what a case expects? Everything but Lua (eval_lua.h) and judges (eval_judge.h): pure, the same each time.
 */
#pragma once

#include "trial/eval_cases.h"

struct eval_answer {
    struct str text;   /* what the model said; "" when nothing */
    const char *model; /* that served, "provider/id" */
};

enum { EVAL_WHY = 400 };

/* Whether it holds; when not, `why` says what was expected and what came: EVAL_WHY bytes. True for LUA and JUDGE, which others grade. */
bool eval_grade(const struct expectation *e, const struct eval_answer *a, char *why);

/* The last number in the text: "$1,234.50" is 1234.5. False when there is none. */
bool eval_grade_number(struct str text, double *out);
