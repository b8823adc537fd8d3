#include "trace/contrast.h"

#include <stdio.h>

#include "base/json.h"
#include "trace/text.h"

enum { NAME_MOST = 160, NUMBER_MOST = 48 };

struct pair {
    contrast_each *each;
    void *ctx;
    int count;
};

static void tell(struct pair *p, const char *what, struct str a, struct str b)
{
    bool is_same = (a.p == NULL) == (b.p == NULL) && str_same(a, b);
    if (is_same)
        return;
    p->count++;
    p->each(p->ctx, what, a, b);
}

static struct str text_in(const struct record *r, enum field f, char space[NUMBER_MOST])
{
    const struct value *v = record_get(r, f);
    if (v == NULL || v->kind == KIND_STR)
        return v ? v->text : str_n(NULL, 0);
    if (field_types[f] == FIELD_BOOL)
        return str_of(v->i ? "true" : "false");
    return str_of(text_number(r, f, space, NUMBER_MOST));
}

static void tell_field(struct pair *p, const char *what, const struct record *a, const struct record *b, enum field f)
{
    char left[NUMBER_MOST], right[NUMBER_MOST];
    tell(p, what, text_in(a, f, left), text_in(b, f, right));
}

/* Never the same twice, or told by themselves. */
static bool is_left_out(const struct show *s)
{
    static const enum field fields[] = {F_ID, F_TS, F_TRACE, F_PARENT, F_USD, F_US, F_TTFT_US, F_AT_US, F_SCRIPT_US, F_WORKER, F_MASKED};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (s->field == fields[i])
            return true;
    return s->group == GROUP_CAPTURE;
}

/* Fields of the group as they lie in two of its records; `prefix` is "attempt 2 ". */
static void tell_group(struct pair *p, enum group g, const char *prefix, const struct record *a, const struct record *b)
{
    char what[NAME_MOST];
    for (int i = 0; i < field_show_count; i++) {
        const struct show *s = &field_shows[i];
        if (s->group != g || is_left_out(s))
            continue;
        snprintf(what, sizeof what, "%s%s", prefix, s->name);
        tell_field(p, what, a, b, s->field);
    }
}

/* The members of two objects, raw: those of `a`, then those that only `b` has. */
static void tell_members(struct pair *p, const char *prefix, struct str a, struct str b)
{
    char what[NAME_MOST];
    if (json_validate(a, NULL) < 0 || json_validate(b, NULL) < 0 || json_type(a) != JSON_OBJECT || json_type(b) != JSON_OBJECT)
        return;
    for (int side = 0; side < 2; side++) {
        struct json_walk w = json_walk(side ? b : a);
        while (json_next(&w)) {
            char name[NAME_MOST / 2];
            snprintf(name, sizeof name, STR_FMT, STR_ARG(w.key));
            struct str other = json_get(side ? a : b, name);
            snprintf(what, sizeof what, "%s%s", prefix, name);
            if (side == 0 || other.p == NULL)
                tell(p, what, side ? other : w.value, side ? w.value : other);
        }
    }
}

/* One line for a record that the other decision lacks. */
static struct str summary(const struct record *r, char *out, size_t size)
{
    enum field names[] = {F_MODEL, F_EXPERIMENT, F_ARM, F_TEXT, F_PURPOSE, F_STATE, F_ERROR, F_COMPLETION, F_DATA};
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct str s = record_text(r, names[i]);
        if (s.p && s.len && used + 1 < size)
            used += (size_t)snprintf(out + used, size - used, "%s" STR_FMT, used ? " " : "", STR_ARG(s));
    }
    return str_of(out);
}

static void tell_records(struct pair *p, const struct decision *a, const struct decision *b, enum group g)
{
    char prefix[64], line[512];
    const struct record *left, *right;
    for (int n = 1, i = 0, j = 0;; n++) {
        left = decision_next(a, g, &i);
        right = decision_next(b, g, &j);
        if (left == NULL && right == NULL)
            return;
        bool is_pair = left && right;
        snprintf(prefix, sizeof prefix, "%s %d%s", group_name(g), n, is_pair ? " " : "");
        if (is_pair)
            tell_group(p, g, prefix, left, right);
        else
            tell(p, prefix, left ? summary(left, line, sizeof line) : str_n(NULL, 0), right ? summary(right, line, sizeof line) : str_n(NULL, 0));
    }
}

int contrast_walk(const struct decision *a, const struct decision *b, contrast_each *each, void *ctx)
{
    static const enum group groups[] = {GROUP_ARM, GROUP_NOTE, GROUP_CANDIDATE, GROUP_ATTEMPT};
    struct pair p = {each, ctx, 0};
    const struct record *left = &a->records[0], *right = &b->records[0];
    tell_group(&p, GROUP_DECISION, "", left, right);
    tell_group(&p, GROUP_LIMIT, "limit ", left, right);
    tell_members(&p, "request ", record_text(left, F_REQUEST), record_text(right, F_REQUEST));
    tell_members(&p, "header ", record_text(left, F_HEADERS), record_text(right, F_HEADERS));
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        tell_records(&p, a, b, groups[i]);
    int count = p.count;
    tell_field(&p, "usd", left, right, F_USD);
    tell_field(&p, "ms", left, right, F_US);
    return count;
}
