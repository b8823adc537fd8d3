/* The view of an Anthropic messages request. */
#include "base/json.h"
#include "bind/view_check.h"

enum { MODEL, STREAM, MESSAGES, TOOLS, METADATA, SYSTEM, MAX_TOKENS, OUTPUT_FORMAT, OUTPUT_CONFIG, TEMPERATURE, TOP_P, TOP_K, NAME_COUNT };
static const struct str NAMES[NAME_COUNT] = {
    STR("model"), STR("stream"), STR("messages"), STR("tools"), STR("metadata"), STR("system"),
    STR("max_tokens"), STR("output_format"), STR("output_config"), STR("temperature"),
    STR("top_p"), STR("top_k")};

/* One block: calls and results are matched, and what a result holds is weighed like what a message holds. */
static int read_block(struct view_check *c, const char *path, int index, struct str block, bool *has_text)
{
    struct str type = json_plain(json_get(block, "type"));
    if (type.p == NULL)
        return view_refuse(c, view_path(c, path, index, "type"), "%s: expected a block with a type.", view_path(c, path, index, NULL));
    *has_text = *has_text || str_eq(type, "text");
    if (str_eq(type, "tool_use"))
        view_note_call(c, json_get(block, "id"));
    if (!str_eq(type, "tool_result"))
        return 0;
    int64_t bytes = view_weigh(c, path, index, json_get(block, "content"));
    if (bytes < 0)
        return -1;
    c->view->tokens += bytes / VIEW_BYTES_PER_TOKEN;
    return view_check_result(c, path, index, "tool_use_id", json_get(block, "tool_use_id"));
}

static int read_content(struct view_check *c, const char *path, struct str content, bool *has_text)
{
    int n = 0;
    *has_text = json_type(content) == JSON_STRING;
    if (*has_text)
        return 0;
    if (json_type(content) != JSON_ARRAY)
        return view_refuse(c, path, "%s: expected a string or an array of blocks.", path);
    for (struct json_walk w = json_walk(content); json_next(&w); n++)
        if (read_block(c, path, n, w.value, has_text) < 0)
            return -1;
    return 0;
}

static int read_message(struct view_check *c, struct str message, int64_t *bytes)
{
    struct view *v = c->view;
    int index = v->message_count;
    struct str role = json_plain(json_get(message, "role")), content = json_get(message, "content");
    bool is_user = str_eq(role, "user"), has_text;
    if (json_type(message) != JSON_OBJECT || (!is_user && !str_eq(role, "assistant") && !str_eq(role, "system")))
        return view_refuse(c, view_path(c, "messages", index, "role"), "messages.%d.role: expected 'user' or 'assistant'.", index);
    const char *path = view_path(c, "messages", index, "content");
    int64_t more = view_weigh(c, "messages", index, content);
    if (more < 0 || read_content(c, path, content, &has_text) < 0)
        return -1;
    if (is_user && has_text)
        v->last_user = content;
    *bytes += more;
    return 0;
}

static int read_messages(struct view_check *c, struct str messages, int64_t bytes)
{
    struct view *v = c->view;
    if (messages.p == NULL)
        return view_refuse(c, "messages", "messages: Field required");
    if (json_type(messages) != JSON_ARRAY)
        return view_refuse(c, "messages", "messages: expected an array.");
    for (struct json_walk w = json_walk(messages); json_next(&w); v->message_count++)
        if (read_message(c, w.value, &bytes) < 0)
            return -1;
    v->tokens += v->message_count * VIEW_TOKENS_PER_MESSAGE + (bytes + VIEW_BYTES_PER_TOKEN - 1) / VIEW_BYTES_PER_TOKEN;
    return v->message_count ? 0 : view_refuse(c, "messages", "messages: at least one message is required");
}

static int check_tools(struct view_check *c, struct str tools)
{
    int n = 0;
    for (struct json_walk w = json_walk(tools); json_next(&w); n++) {
        struct str schema = json_get(w.value, "input_schema");
        if (json_type(json_get(w.value, "name")) != JSON_STRING)
            return view_refuse(c, view_path(c, "tools", n, "name"), "tools.%d.name: Field required", n);
        if (schema.p && view_check_schema(c, view_path(c, "tools", n, "input_schema"), schema) < 0)
            return -1;
    }
    c->view->has_tools = n > 0;
    return 0;
}

static int check_format(struct view_check *c, const struct str *values)
{
    struct str format = values[OUTPUT_FORMAT].p ? values[OUTPUT_FORMAT] : json_get(values[OUTPUT_CONFIG], "format");
    const char *path = values[OUTPUT_FORMAT].p ? "output_format.schema" : "output_config.format.schema";
    c->view->wants_schema = str_eq(json_plain(json_get(format, "type")), "json_schema");
    return c->view->wants_schema ? view_check_schema(c, path, json_get(format, "schema")) : 0;
}

static bool is_count(struct view *v)
{
    return v->head && memmem(v->head->target.p, v->head->target.len, "count_tokens", 12);
}

static int check_max_tokens(struct view_check *c, struct str value)
{
    int64_t most = 0;
    if (value.p == NULL)
        return is_count(c->view) ? 0 : view_refuse(c, "max_tokens", "max_tokens: Field required");
    if (!json_integer(value, &most) || most < 1)
        return view_refuse(c, "max_tokens", "max_tokens: expected an integer of 1 or more.");
    c->view->max_tokens = most < INT32_MAX ? (uint64_t)most : 0;
    return 0;
}

int view_read_messages(struct view_check *c)
{
    struct view *v = c->view;
    struct str values[NAME_COUNT];
    struct json_members members = {NAMES, values, NAME_COUNT, false, NULL};
    if (view_read_members(c, &members) < 0)
        return -1;
    v->raw_model = values[MODEL];
    v->metadata = values[METADATA];
    v->user = json_get(values[METADATA], "user_id");
    v->wants_usage = true;
    if (view_check_common(c, values[STREAM], values[TOOLS]) < 0 || check_max_tokens(c, values[MAX_TOKENS]) < 0)
        return -1;
    if (view_check_numbers(c, NAMES + TEMPERATURE, values + TEMPERATURE, NAME_COUNT - TEMPERATURE) < 0)
        return -1;
    enum json_type system = json_type(values[SYSTEM]);
    if (values[SYSTEM].p && system != JSON_STRING && system != JSON_ARRAY)
        return view_refuse(c, "system", "system: expected a string or an array of blocks.");
    int64_t bytes = view_weigh(c, "system", -1, values[SYSTEM]);
    if (bytes < 0 || read_messages(c, values[MESSAGES], bytes) < 0)
        return -1;
    if (!view_is_absent(values[TOOLS]) && check_tools(c, values[TOOLS]) < 0)
        return -1;
    return check_format(c, values);
}
