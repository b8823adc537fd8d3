#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/schema_node.h"

enum { MAX_STEPS = 200000, MAX_DEPTH = 256, MAX_SHOWN = 40, SCRATCH_BYTES = 64 << 20 };

/* One step into the value: a member or an item of what `outer` is. */
struct place {
    const struct place *outer;
    struct str key; /* raw; {NULL, 0}: the item `index` */
    int index;
};

struct checking {
    struct arena *scratch; /* decoded texts */
    struct err *why;
    int quiet; /* inside of what may fail: anyOf, not, if */
    int steps, depth;
    bool is_over;
};

static bool check(struct checking *c, const struct schema_node *node, struct str value, const struct place *at);

/* ---- words ---- */

static size_t write_place(const struct place *at, char *out, size_t size)
{
    if (at == NULL)
        return 0;
    size_t len = write_place(at->outer, out, size);
    if (len >= size)
        return len;
    if (at->key.p)
        snprintf(out + len, size - len, "/%.*s", (int)at->key.len, at->key.p);
    else
        snprintf(out + len, size - len, "/%d", at->index);
    return strlen(out);
}

/* Always false, so that a check can end with it. `value` begins the words where it is given. */
__attribute__((format(printf, 4, 5))) static bool fail(struct checking *c, const struct place *at, struct str value, const char *format, ...)
{
    char place[200] = "", words[200];
    if (c->quiet || c->is_over)
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    write_place(at, place, sizeof place);
    bool is_long = value.len > MAX_SHOWN;
    int shown = is_long ? MAX_SHOWN : (int)value.len;
    while (is_long && shown > 0 && ((unsigned char)value.p[shown] & 0xc0) == 0x80)
        shown--;
    err_set(c->why, ERR_BAD_REQUEST, "%s%s%.*s%s%s%s", place, *place ? ": " : "", shown, value.p ? value.p : "", is_long ? "…" : "",
            value.p ? " " : "", words);
    return false;
}

static bool over(struct checking *c, const char *words)
{
    c->is_over = true;
    err_set(c->why, ERR_LIMIT, "%s", words);
    return false;
}

/* ---- equality ---- */

static bool is_same(struct checking *c, struct str a, struct str b);

static bool are_same_texts(struct checking *c, struct str a, struct str b)
{
    return str_same(json_text(a, c->scratch), json_text(b, c->scratch));
}

static bool are_same_items(struct checking *c, struct str a, struct str b)
{
    struct json_walk x = json_walk(a), y = json_walk(b);
    for (;;) {
        bool more = json_next(&x);
        if (more != json_next(&y))
            return false;
        if (!more)
            return true;
        if (!is_same(c, x.value, y.value))
            return false;
    }
}

static struct str member(struct checking *c, struct str object, struct str name)
{
    struct str value = {NULL, 0};
    for (struct json_walk w = json_walk(object); json_next(&w); c->steps++)
        if (json_key_is(w.key, name))
            value = w.value;
    return value;
}

static int count_of(struct str value)
{
    int count = 0;
    for (struct json_walk w = json_walk(value); json_next(&w);)
        count++;
    return count;
}

static bool are_same_members(struct checking *c, struct str a, struct str b)
{
    if (count_of(a) != count_of(b))
        return false;
    for (struct json_walk w = json_walk(a); json_next(&w);) {
        struct str other = member(c, b, json_text(str_n(w.key.p - 1, w.key.len + 2), c->scratch));
        if (other.p == NULL || !is_same(c, w.value, other))
            return false;
    }
    return true;
}

static bool is_same(struct checking *c, struct str a, struct str b)
{
    enum json_type type = json_type(a);
    double x, y;
    if (++c->steps > MAX_STEPS)
        return over(c, "checking takes too many steps");
    if (type != json_type(b))
        return false;
    switch (type) {
    case JSON_NUMBER: return str_same(a, b) || (json_number(a, &x) && json_number(b, &y) && x == y);
    case JSON_STRING: return are_same_texts(c, a, b);
    case JSON_ARRAY: return are_same_items(c, a, b);
    case JSON_OBJECT: return are_same_members(c, a, b);
    default: return true;
    }
}

/* ---- one keyword each ---- */

static unsigned types_of(struct str value)
{
    double number;
    switch (json_type(value)) {
    case JSON_NULL: return 1u << TYPE_NULL;
    case JSON_FALSE:
    case JSON_TRUE: return 1u << TYPE_BOOLEAN;
    case JSON_OBJECT: return 1u << TYPE_OBJECT;
    case JSON_ARRAY: return 1u << TYPE_ARRAY;
    case JSON_STRING: return 1u << TYPE_STRING;
    default:
        return 1u << TYPE_NUMBER | (json_number(value, &number) && number == floor(number) && isfinite(number)) << TYPE_INTEGER;
    }
}

static bool check_type(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    if (node->types == 0 || (node->types & types_of(value)))
        return true;
    char names[100] = "";
    for (int i = 0; i < TYPE_COUNT; i++)
        if (node->types & 1u << i)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s %s", *names ? " or " : "",
                     strchr("aio", SCHEMA_TYPES[i][0]) ? "an" : "a", SCHEMA_TYPES[i]);
    return fail(c, at, value, "is not %s", names);
}

static bool check_choices(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    if (node->constant.p && !is_same(c, value, node->constant))
        return fail(c, at, value, "is not %.*s", node->constant.len > 80 ? 80 : (int)node->constant.len, node->constant.p);
    if (node->choices.p == NULL)
        return true;
    for (struct json_walk w = json_walk(node->choices); json_next(&w);)
        if (is_same(c, value, w.value))
            return true;
    return fail(c, at, value, "is none of %.*s", node->choices.len > 120 ? 120 : (int)node->choices.len, node->choices.p);
}

static bool has(const struct schema_node *node, enum schema_bound bound)
{
    return node->has_bounds >> bound & 1;
}

static bool is_multiple(double number, double of)
{
    double quotient = number / of;
    return fabs(quotient - round(quotient)) <= 1e-12 * fmax(1, fabs(quotient)); /* 4.02 is one of 0.01 */
}

static bool check_number(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    const double *b = node->bounds;
    double n = 0;
    json_number(value, &n);
    if (has(node, BOUND_MINIMUM) && n < b[BOUND_MINIMUM])
        return fail(c, at, value, "is less than %g", b[BOUND_MINIMUM]);
    if (has(node, BOUND_MAXIMUM) && n > b[BOUND_MAXIMUM])
        return fail(c, at, value, "is more than %g", b[BOUND_MAXIMUM]);
    if (has(node, BOUND_EXCLUSIVE_MINIMUM) && n <= b[BOUND_EXCLUSIVE_MINIMUM])
        return fail(c, at, value, "is not more than %g", b[BOUND_EXCLUSIVE_MINIMUM]);
    if (has(node, BOUND_EXCLUSIVE_MAXIMUM) && n >= b[BOUND_EXCLUSIVE_MAXIMUM])
        return fail(c, at, value, "is not less than %g", b[BOUND_EXCLUSIVE_MAXIMUM]);
    if (has(node, BOUND_MULTIPLE_OF) && !is_multiple(n, b[BOUND_MULTIPLE_OF]))
        return fail(c, at, value, "is no multiple of %g", b[BOUND_MULTIPLE_OF]);
    return true;
}

/* The count of something between two neighbouring bounds. */
static bool check_count(struct checking *c, const struct schema_node *node, enum schema_bound least, int count, const char *what,
                        const struct place *at)
{
    static const struct str NOTHING = {NULL, 0};
    enum schema_bound most = least + 1;
    if (has(node, least) && count < node->bounds[least])
        return fail(c, at, NOTHING, "has %d %s, at least %g are needed", count, what, node->bounds[least]);
    if (has(node, most) && count > node->bounds[most])
        return fail(c, at, NOTHING, "has %d %s, at most %g are allowed", count, what, node->bounds[most]);
    return true;
}

static bool check_string(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    struct str text = json_text(value, c->scratch);
    int characters = 0;
    if (text.p == NULL)
        return over(c, "the value is too large");
    for (size_t i = 0; i < text.len; i++)
        characters += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    if (!check_count(c, node, BOUND_MIN_LENGTH, characters, "characters", at))
        return false;
    enum search_verdict verdict = node->pattern ? search_text(node->pattern, text, 0) : SEARCH_FOUND;
    if (verdict == SEARCH_OVER)
        return over(c, "a pattern takes too many steps");
    return verdict == SEARCH_FOUND || fail(c, at, value, "does not match the pattern");
}

static bool matches(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    c->quiet++;
    bool is_valid = check(c, node, value, at);
    c->quiet--;
    return is_valid;
}

static bool check_unique(struct checking *c, struct str value, const struct place *at)
{
    int i = 0;
    for (struct json_walk x = json_walk(value); json_next(&x); i++) {
        int k = i + 1;
        for (struct json_walk y = x; json_next(&y); k++)
            if (is_same(c, x.value, y.value))
                return fail(c, at, (struct str){NULL, 0}, "items %d and %d are the same", i, k);
    }
    return !c->is_over;
}

static bool check_array(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    int i = 0, found = 0;
    for (struct json_walk w = json_walk(value); json_next(&w); i++) {
        struct place here = {at, {NULL, 0}, i};
        const struct schema_node *item = i < node->prefix.count ? node->prefix.at[i] : node->items;
        if (item && !check(c, item, w.value, &here))
            return false;
        found += node->contains && matches(c, node->contains, w.value, &here);
    }
    if (node->contains && found == 0 && !(has(node, BOUND_MIN_CONTAINS) && node->bounds[BOUND_MIN_CONTAINS] == 0))
        return fail(c, at, (struct str){NULL, 0}, "no item is as needed");
    return check_count(c, node, BOUND_MIN_ITEMS, i, "items", at) &&
           (node->contains == NULL || check_count(c, node, BOUND_MIN_CONTAINS, found, "items as needed", at)) &&
           (!node->is_unique || check_unique(c, value, at));
}

/* One member under every keyword that speaks of it. */
static bool check_member(struct checking *c, const struct schema_node *node, const struct json_walk *w, const struct place *here)
{
    struct str name = json_text(str_n(w->key.p - 1, w->key.len + 2), c->scratch);
    bool is_known = false;
    if (name.p == NULL)
        return over(c, "the value is too large");
    if (node->names && !check(c, node->names, str_n(w->key.p - 1, w->key.len + 2), here))
        return false;
    for (int i = 0; i < node->property_count; i++) {
        if (!str_same(name, node->properties[i].name))
            continue;
        is_known = true;
        if (!check(c, node->properties[i].node, w->value, here))
            return false;
    }
    for (int i = 0; i < node->pattern_count; i++) {
        enum search_verdict verdict = search_text(node->patterns[i].search, name, 0);
        if (verdict == SEARCH_OVER)
            return over(c, "a pattern takes too many steps");
        is_known = is_known || verdict == SEARCH_FOUND;
        if (verdict == SEARCH_FOUND && !check(c, node->patterns[i].node, w->value, here))
            return false;
    }
    if (is_known || node->additional == NULL)
        return true;
    if (node->additional->is_false)
        return fail(c, here, (struct str){NULL, 0}, "is not expected");
    return check(c, node->additional, w->value, here);
}

static bool check_object(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    int count = 0;
    for (int i = 0; i < node->required_count; i++)
        if (member(c, value, node->required[i]).p == NULL)
            return fail(c, at, (struct str){NULL, 0}, "'%.80s' is missing", node->required[i].p);
    for (struct json_walk w = json_walk(value); json_next(&w); count++) {
        struct place here = {at, w.key, 0};
        if (!check_member(c, node, &w, &here))
            return false;
    }
    return check_count(c, node, BOUND_MIN_PROPERTIES, count, "members", at);
}

static bool check_combined(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    int found = 0;
    for (int i = 0; i < node->all.count; i++)
        if (!check(c, node->all.at[i], value, at))
            return false;
    for (int i = 0; i < node->any.count && found == 0; i++)
        found += matches(c, node->any.at[i], value, at);
    if (node->any.count && found == 0)
        return fail(c, at, value, "is as none of the %d allowed", node->any.count);
    found = 0;
    for (int i = 0; i < node->one.count; i++)
        found += matches(c, node->one.at[i], value, at);
    if (node->one.count && found != 1)
        return fail(c, at, value, "is as %d of the %d of which it must be one", found, node->one.count);
    if (node->not && matches(c, node->not, value, at))
        return fail(c, at, value, "is what it must not be");
    if (node->condition == NULL)
        return true;
    const struct schema_node *then = matches(c, node->condition, value, at) ? node->then : node->otherwise;
    return then == NULL || check(c, then, value, at);
}

static bool check_value(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    if (node->is_false)
        return fail(c, at, value, "is not allowed");
    if (node->reference && !check(c, node->reference, value, at))
        return false;
    if (!check_type(c, node, value, at) || !check_choices(c, node, value, at))
        return false;
    switch (json_type(value)) {
    case JSON_NUMBER: return check_number(c, node, value, at) && check_combined(c, node, value, at);
    case JSON_STRING: return check_string(c, node, value, at) && check_combined(c, node, value, at);
    case JSON_ARRAY: return check_array(c, node, value, at) && check_combined(c, node, value, at);
    case JSON_OBJECT: return check_object(c, node, value, at) && check_combined(c, node, value, at);
    default: return check_combined(c, node, value, at);
    }
}

static bool check(struct checking *c, const struct schema_node *node, struct str value, const struct place *at)
{
    if (c->is_over)
        return false;
    if (++c->steps > MAX_STEPS)
        return over(c, "checking takes too many steps");
    if (++c->depth > MAX_DEPTH)
        return over(c, "checking goes too deep: a reference leads back to itself");
    bool is_valid = check_value(c, node, value, at);
    c->depth--;
    return is_valid && !c->is_over;
}

bool schema_check(const struct schema *s, struct str value, struct err *why)
{
    static struct arena scratch = ARENA(SCRATCH_BYTES);
    struct checking c = {.scratch = &scratch, .why = why};
    arena_reset(&scratch);
    return check(&c, s->root, value, NULL);
}
