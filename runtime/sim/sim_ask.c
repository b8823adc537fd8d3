#include "sim/sim_ask.h"

#include <ctype.h>

#include "base/json.h"

struct str sim_ask_text(struct str content, struct arena *arena)
{
    if (json_type(content) == JSON_STRING)
        return json_text(content, arena);
    struct str all = str_of("");
    if (json_type(content) != JSON_ARRAY)
        return all;
    for (struct json_walk w = json_walk(content); json_next(&w);) {
        struct str text = json_text(json_get(w.value, "text"), arena);
        if (text.len > 0) {
            char *joined = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(all), all.len ? " " : "", STR_ARG(text));
            all = str_of(joined ? joined : "");
        }
    }
    return all;
}

long sim_ask_count(struct str value, long fallback, long most)
{
    int64_t n;
    if (!json_integer(value, &n) || n < 0)
        return fallback;
    return n > most ? most : (long)n;
}

static bool contains(struct str text, struct str word)
{
    for (size_t i = 0; word.len > 0 && i + word.len <= text.len; i++)
        if (strncasecmp(text.p + i, word.p, word.len) == 0)
            return true;
    return false;
}

/* Is the tool named, or a word of its name ("get_weather": weather)? */
static bool mentions(struct str prompt, struct str name)
{
    if (contains(prompt, name))
        return true;
    for (size_t at = 0; at < name.len;) {
        size_t start = at;
        while (at < name.len && isalnum((unsigned char)name.p[at]))
            at++;
        if (at - start >= 4 && contains(prompt, str_n(name.p + start, at - start)))
            return true;
        at++;
    }
    return false;
}

void sim_ask_offer(struct sim_ask *ask, struct str name, struct str schema, struct str wanted, bool is_forced)
{
    if (name.p == NULL || ask->tool.len > 0 || ask->is_after_tool)
        return;
    if (wanted.p ? str_same(name, wanted) : is_forced || mentions(ask->prompt, name)) {
        ask->tool = name;
        ask->tool_schema = schema;
    }
}
