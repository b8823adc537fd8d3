#include "sim/sim_value.h"

#include <math.h>

#include "base/json.h"
#include "sim/sim_choice.h"
#include "sim/sim_model.h"
#include "sim/sim_pattern.h"

enum { DEEPEST = 12 };

struct maker {
    struct buf *out;
    struct str root, word, prompt;
    uint64_t dice;
};

static void make(struct maker *m, struct str schema, int depth);

static double number_or(struct str schema, const char *name, double fallback)
{
    double n;
    return json_number(json_get(schema, name), &n) ? n : fallback;
}

static bool is_required(struct str schema, struct str name)
{
    struct str required = json_get(schema, "required");
    if (json_type(required) != JSON_ARRAY)
        return true; /* nothing is said: give all */
    struct json_walk w = json_walk(required);
    while (json_next(&w))
        if (w.value.len == name.len + 2 && memcmp(w.value.p + 1, name.p, name.len) == 0)
            return true;
    return false;
}

static void make_object(struct maker *m, struct str schema, int depth)
{
    const char *before = "";
    buf_putc(m->out, '{');
    struct str properties = json_get(schema, "properties");
    struct json_walk w =
        json_walk(json_type(properties) == JSON_OBJECT ? properties : str_of("{}"));
    while (json_next(&w)) {
        if (!is_required(schema, w.key))
            continue;
        buf_printf(m->out, "%s\"" STR_FMT "\":", before, STR_ARG(w.key));
        make(m, w.value, depth + 1);
        before = ",";
    }
    buf_putc(m->out, '}');
}

static void make_array(struct maker *m, struct str schema, int depth)
{
    int count = (int)fmin(number_or(schema, "minItems", 1), 16);
    struct str items = json_get(schema, "items");
    buf_putc(m->out, '[');
    for (int i = 0; i < count; i++) {
        buf_puts(m->out, i ? "," : "");
        make(m, items, depth + 1);
    }
    buf_putc(m->out, ']');
}

static void make_number(struct maker *m, struct str schema, bool is_integer)
{
    double least = number_or(schema, "minimum", number_or(schema, "exclusiveMinimum", 0));
    double most = number_or(schema, "maximum", number_or(schema, "exclusiveMaximum", least + 10));
    double n = least + (most - least) * sim_model_dice(&m->dice);
    if (is_integer)
        buf_printf(m->out, "%.0f",
                   fmin(floor(n) + (json_get(schema, "exclusiveMinimum").p != NULL), most));
    else
        buf_printf(m->out, "%.4g", n);
}

static bool make_by_pattern(struct maker *m, struct buf *text, struct str pattern)
{
    struct arena arena = ARENA(4096);
    bool is_made = pattern.p && sim_pattern_make(text, json_text(pattern, &arena), &m->dice) == 0;
    arena_clear(&arena);
    return is_made;
}

static void make_string(struct maker *m, struct str schema)
{
    size_t least = (size_t)fmin(number_or(schema, "minLength", 0), 256);
    struct buf text = BUF(4096);
    if (!make_by_pattern(m, &text, json_get(schema, "pattern")))
        buf_append(&text, m->word.p, m->word.len < 1024 ? m->word.len : 0);
    while (text.len < least)
        buf_putc(&text, 'x');
    json_quote(m->out, buf_str(&text));
    buf_clear(&text);
}

static struct str nth(struct str array, int n)
{
    struct json_walk w = json_walk(array);
    for (int i = 0; json_next(&w); i++)
        if (i == n)
            return w.value;
    return str_n(NULL, 0);
}

/* "#/$defs/Name" in the root; nothing for anything else. */
static struct str resolve(struct maker *m, struct str reference)
{
    char pointer[256];
    struct str text = json_plain(reference);
    if (text.len < 2 || text.len > sizeof pointer || text.p[0] != '#')
        return str_n(NULL, 0);
    memcpy(pointer, text.p + 1, text.len - 1);
    pointer[text.len - 1] = '\0';
    return json_pointer(m->root, pointer);
}

/* A schema that only points to another. Empty when this one speaks for itself. */
static struct str elsewhere(struct maker *m, struct str schema)
{
    static const char *const names[] = {"anyOf", "oneOf", "allOf"};
    struct str reference = json_get(schema, "$ref");
    if (reference.p)
        return resolve(m, reference);
    for (int i = 0; i < 3; i++) {
        struct str list = json_get(schema, names[i]);
        if (json_type(list) == JSON_ARRAY)
            return nth(list, 0);
    }
    return str_n(NULL, 0);
}

static void make_typed(struct maker *m, struct str schema, int depth)
{
    struct str type = json_get(schema, "type");
    if (json_type(type) == JSON_ARRAY)
        type = nth(type, 0);
    struct str name =
        type.p ? json_plain(type) : str_of(json_get(schema, "properties").p ? "object" : "string");
    if (str_eq(name, "object"))
        make_object(m, schema, depth);
    else if (str_eq(name, "array"))
        make_array(m, schema, depth);
    else if (str_eq(name, "integer") || str_eq(name, "number"))
        make_number(m, schema, name.p[0] == 'i');
    else if (str_eq(name, "boolean"))
        buf_puts(m->out, sim_model_dice(&m->dice) < 0.5 ? "true" : "false");
    else if (str_eq(name, "null"))
        buf_puts(m->out, "null");
    else
        make_string(m, schema);
}

static void make(struct maker *m, struct str schema, int depth)
{
    if (json_type(schema) != JSON_OBJECT || depth > DEEPEST) {
        make_string(m, str_of("{}"));
        return;
    }
    struct str fixed = json_get(schema, "const");
    struct str choices = json_get(schema, "enum");
    if (!fixed.p && json_type(choices) == JSON_ARRAY)
        fixed = sim_choice(choices, m->prompt, &m->dice);
    if (!fixed.p)
        fixed = json_get(schema, "default");
    struct str other = elsewhere(m, schema);
    if (fixed.p)
        buf_append(m->out, fixed.p, fixed.len);
    else if (other.p)
        make(m, other, depth + 1);
    else
        make_typed(m, schema, depth);
}

int sim_value_make(struct buf *out, struct str schema, struct str word, struct str prompt, uint64_t seed)
{
    struct maker m = {out, schema, word, prompt, seed};
    make(&m, schema, 0);
    return out->len < out->limit ? 0 : -1;
}
