#include "trial/eval_grade.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

enum { SHOWN = 120, TEXTS = 4 << 20, NUMBER_MOST = 64 };

static struct str trimmed(struct str s)
{
    while (s.len && isspace((unsigned char)s.p[0]))
        s = str_n(s.p + 1, s.len - 1);
    while (s.len && isspace((unsigned char)s.p[s.len - 1]))
        s.len--;
    return s;
}

/* "expected X Y, got Z", each cut to what a line can show. */
static bool refuse(char *why, const char *what, struct str expected, struct str got)
{
    snprintf(why, EVAL_WHY, "expected %s %.*s%s, got '%.*s%s'", what, expected.len > SHOWN ? SHOWN : (int)expected.len, expected.p ? expected.p : "",
             expected.len > SHOWN ? "…" : "", got.len > SHOWN ? SHOWN : (int)got.len, got.p ? got.p : "", got.len > SHOWN ? "…" : "");
    return false;
}

static bool is_equal(struct str text, struct str wanted)
{
    return str_same(trimmed(text), trimmed(wanted));
}

static bool is_inside(struct str text, struct str wanted)
{
    return memmem(text.p ? text.p : "", text.len, wanted.p, wanted.len);
}

/* Whether any, or all, of the texts of `raw` (one or a list) are as `is_so` says. */
static bool are_so(struct str raw, struct str text, bool all, bool (*is_so)(struct str, struct str))
{
    struct arena arena = ARENA(TEXTS);
    bool is_met = all;
    if (json_type(raw) == JSON_STRING)
        is_met = is_so(text, json_text(raw, &arena));
    else
        for (struct json_walk w = json_walk(raw); is_met == all && json_next(&w);)
            is_met = is_so(text, json_text(w.value, &arena));
    arena_clear(&arena);
    return is_met;
}

bool eval_grade_number(struct str text, double *out)
{
    bool is_found = false;
    for (size_t i = 0; i < text.len;) {
        bool is_sign = text.p[i] == '-' && (i == 0 || !isalnum((unsigned char)text.p[i - 1]));
        size_t at = i + is_sign;
        if (at >= text.len || !isdigit((unsigned char)text.p[at])) {
            i++;
            continue;
        }
        char number[NUMBER_MOST];
        size_t used = 0;
        number[used++] = is_sign ? '-' : '+';
        bool has_point = false;
        for (; at < text.len; at++) {
            char c = text.p[at];
            bool goes_on = at + 1 < text.len && isdigit((unsigned char)text.p[at + 1]);
            if (c == ',' && goes_on && !has_point)
                continue;
            if (!isdigit((unsigned char)c) && !(c == '.' && goes_on && !has_point))
                break;
            has_point |= c == '.';
            if (used < sizeof number - 1)
                number[used++] = c;
        }
        number[used] = '\0';
        *out = strtod(number, NULL);
        is_found = true;
        i = at;
    }
    return is_found;
}

static bool grade_number(const struct expectation *e, struct str text, char *why)
{
    double got;
    if (eval_grade_number(text, &got) && fabs(got - e->number.value) <= e->number.tolerance)
        return true;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%g ± %g", e->number.value, e->number.tolerance);
    return refuse(why, "the number", str_of(wanted), text);
}

static bool grade_schema(const struct expectation *e, struct str text, char *why)
{
    struct err bad;
    if (json_validate(text, &bad) < 0)
        return refuse(why, "JSON that follows", str_of("the schema"), text);
    if (schema_check(e->schema, json_pointer(text, ""), &bad))
        return true;
    snprintf(why, EVAL_WHY, "not as the schema says: %.300s", bad.message);
    return false;
}

bool eval_grade(const struct expectation *e, const struct eval_answer *a, char *why)
{
    switch (e->kind) {
    case EXPECT_MODEL:
        return are_so(e->raw, str_of(a->model), false, is_equal) || refuse(why, "the model", e->raw, str_of(a->model));
    case EXPECT_EXACT: return are_so(e->raw, a->text, false, is_equal) || refuse(why, "exactly", e->raw, a->text);
    case EXPECT_CONTAINS: return are_so(e->raw, a->text, true, is_inside) || refuse(why, "what contains", e->raw, a->text);
    case EXPECT_REGEX: return search_text(e->search, a->text, 0) == SEARCH_FOUND || refuse(why, "a match of", e->raw, a->text);
    case EXPECT_NUMERIC: return grade_number(e, a->text, why);
    case EXPECT_SCHEMA: return grade_schema(e, a->text, why);
    default: return true;
    }
}
