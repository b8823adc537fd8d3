#include "serve/adapt.h"

#include "base/json.h"

enum form { AS_IT_IS, AT_MOST_ONE, AS_LIST, AS_EFFORT };

struct name {
    const char *chat, *other;
    enum form form;
};

static const struct name MESSAGES[] = {
    {"max_tokens", "max_tokens", AS_IT_IS}, {"max_completion_tokens", "max_tokens", AS_IT_IS}, {"temperature", "temperature", AT_MOST_ONE},
    {"top_p", "top_p", AS_IT_IS},           {"stop", "stop_sequences", AS_LIST},               {"tools", "tools", AS_IT_IS},
    {"tool_choice", "tool_choice", AS_IT_IS},
};
static const struct name RESPONSES[] = {
    {"max_tokens", "max_output_tokens", AS_IT_IS}, {"max_completion_tokens", "max_output_tokens", AS_IT_IS}, {"temperature", "temperature", AS_IT_IS},
    {"top_p", "top_p", AS_IT_IS},                  {"reasoning_effort", "reasoning", AS_EFFORT},             {"tools", "tools", AS_IT_IS},
    {"tool_choice", "tool_choice", AS_IT_IS},      {"parallel_tool_calls", "parallel_tool_calls", AS_IT_IS},
};

static struct str formed(enum form form, struct str value, struct arena *arena)
{
    double number;
    if (value.p == NULL || form == AS_IT_IS)
        return value;
    if (form == AT_MOST_ONE)
        return json_number(value, &number) && number > 1 ? str_of("1") : value;
    if (form == AS_LIST && json_type(value) == JSON_ARRAY)
        return value;
    struct str text = arena_str(arena, value);
    return arena_join(arena, form == AS_LIST ? "[" : "{\"effort\":", text.p ? text.p : "null", form == AS_LIST ? "]" : "}", (char *)NULL);
}

/* A removal never undoes what another name of the same member set. */
static int put(struct json_edit *edits, int count, const char *name, struct str value)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(edits[i].name, name) != 0)
            continue;
        if (value.p)
            edits[i].value = value;
        return count;
    }
    edits[count] = (struct json_edit){name, value};
    return count + 1;
}

int adapt_edits(const struct derived *d, enum protocol protocol, struct arena *arena, struct json_edit *edits)
{
    bool is_messages = protocol == PROTOCOL_MESSAGES;
    const struct name *names = is_messages ? MESSAGES : RESPONSES;
    size_t name_count = is_messages ? sizeof MESSAGES / sizeof *MESSAGES : sizeof RESPONSES / sizeof *RESPONSES;
    int count = 0;
    if (protocol == PROTOCOL_EMBEDDINGS)
        return 0;
    for (int i = 0; i < d->edit_count; i++)
        for (size_t k = 0; k < name_count; k++)
            if (strcmp(d->edits[i].name, names[k].chat) == 0)
                count = put(edits, count, names[k].other, formed(names[k].form, d->edits[i].value, arena));
    if (d->system.p)
        count = put(edits, count, is_messages ? "system" : "instructions", d->system);
    return count;
}
