/* The view of an OpenAI responses request. */
#include "base/json.h"
#include "bind/view_check.h"

enum { MODEL, STREAM, INPUT, INSTRUCTIONS, TOOLS, METADATA, USER, SAFETY_ID, CACHE_KEY, MAX_TOKENS, TEXT, PREVIOUS, PROMPT, CONVERSATION, TEMPERATURE, TOP_P, NAME_COUNT };
static const struct str NAMES[NAME_COUNT] = {
    STR("model"), STR("stream"), STR("input"), STR("instructions"), STR("tools"), STR("metadata"),
    STR("user"), STR("safety_identifier"), STR("prompt_cache_key"), STR("max_output_tokens"),
    STR("text"), STR("previous_response_id"), STR("prompt"), STR("conversation"),
    STR("temperature"), STR("top_p")};

static int read_message(struct view_check *c, int index, struct str item, int64_t *bytes)
{
    static const char *const ROLES[] = {"user", "assistant", "system", "developer"};
    struct str role = json_plain(json_get(item, "role")), content = json_get(item, "content");
    bool is_known = false;
    for (int i = 0; i < 4; i++)
        is_known = is_known || str_eq(role, ROLES[i]);
    if (!is_known)
        return view_refuse(c, view_path(c, "input", index, "role"),
                           "Invalid value for 'input[%d].role': expected one of user, assistant, system, developer.", index);
    if (json_type(content) != JSON_STRING && json_type(content) != JSON_ARRAY)
        return view_refuse(c, view_path(c, "input", index, "content"), "Invalid type for 'input[%d].content': expected a string or an array.", index);
    if (str_eq(role, "user"))
        c->view->last_user = content;
    int64_t more = view_weigh(c, "input", index, content);
    *bytes += more;
    return more < 0 ? -1 : 0;
}

/* A result may also answer a call of the response that previous_response_id names. */
static int read_item(struct view_check *c, int index, struct str item, bool is_continued, int64_t *bytes)
{
    struct str type = json_plain(json_get(item, "type"));
    if (json_type(item) != JSON_OBJECT)
        return view_refuse(c, view_path(c, "input", index, NULL), "Invalid type for 'input[%d]': expected an object.", index);
    if (type.p == NULL || str_eq(type, "message"))
        return read_message(c, index, item, bytes);
    if (str_eq(type, "function_call") || str_eq(type, "custom_tool_call"))
        view_note_call(c, json_get(item, "call_id"));
    if (!str_eq(type, "function_call_output") && !str_eq(type, "custom_tool_call_output"))
        return 0;
    *bytes += (int64_t)json_get(item, "output").len;
    return is_continued ? 0 : view_check_result(c, "input", index, "call_id", json_get(item, "call_id"));
}

static int read_input(struct view_check *c, const struct str *values)
{
    struct view *v = c->view;
    struct str input = values[INPUT];
    bool is_continued = !view_is_absent(values[PREVIOUS]) || !view_is_absent(values[CONVERSATION]);
    int64_t bytes = (int64_t)values[INSTRUCTIONS].len;
    if (input.p == NULL && values[PROMPT].p == NULL && !is_continued)
        return view_refuse(c, "input", "Missing required parameter: 'input'.");
    if (json_type(input) == JSON_STRING) {
        v->last_user = input;
        v->message_count = 1;
        bytes += (int64_t)input.len;
    } else if (input.p && json_type(input) != JSON_ARRAY) {
        return view_refuse(c, "input", "Invalid type for 'input': expected a string or an array of items.");
    }
    for (struct json_walk w = json_walk(input); json_type(input) == JSON_ARRAY && json_next(&w); v->message_count++)
        if (read_item(c, v->message_count, w.value, is_continued, &bytes) < 0)
            return -1;
    v->tokens += v->message_count * VIEW_TOKENS_PER_MESSAGE + (bytes + VIEW_BYTES_PER_TOKEN - 1) / VIEW_BYTES_PER_TOKEN;
    return 0;
}

static int check_tools(struct view_check *c, struct str tools)
{
    int n = 0;
    for (struct json_walk w = json_walk(tools); json_next(&w); n++) {
        struct str schema = json_get(w.value, "parameters");
        if (json_type(w.value) != JSON_OBJECT)
            return view_refuse(c, view_path(c, "tools", n, NULL), "Invalid 'tools[%d]': expected an object.", n);
        if (!view_is_absent(schema) && view_check_schema(c, view_path(c, "tools", n, "parameters"), schema) < 0)
            return -1;
    }
    c->view->has_tools = n > 0;
    return 0;
}

static int check_format(struct view_check *c, struct str text)
{
    struct str format = json_get(text, "format");
    if (!view_is_absent(text) && json_type(text) != JSON_OBJECT)
        return view_refuse(c, "text", "Invalid type for 'text': expected an object.");
    c->view->wants_schema = str_eq(json_plain(json_get(format, "type")), "json_schema");
    return c->view->wants_schema ? view_check_schema(c, "text.format.schema", json_get(format, "schema")) : 0;
}

int view_read_responses(struct view_check *c)
{
    struct view *v = c->view;
    struct str values[NAME_COUNT];
    struct json_members members = {NAMES, values, NAME_COUNT, false, NULL};
    int64_t most = 0;
    if (view_read_members(c, &members) < 0)
        return -1;
    v->raw_model = values[MODEL];
    v->metadata = values[METADATA];
    v->user = values[USER].p ? values[USER] : values[SAFETY_ID];
    v->cache_key = values[CACHE_KEY];
    v->wants_usage = true;
    if (view_check_common(c, values[STREAM], values[TOOLS]) < 0)
        return -1;
    if (!view_is_absent(values[MAX_TOKENS]) && (!json_integer(values[MAX_TOKENS], &most) || most < 1))
        return view_refuse(c, "max_output_tokens", "Invalid 'max_output_tokens': expected an integer of 1 or more.");
    v->max_tokens = most < INT32_MAX ? (uint64_t)most : 0;
    if (view_check_numbers(c, NAMES + TEMPERATURE, values + TEMPERATURE, NAME_COUNT - TEMPERATURE) < 0)
        return -1;
    if (read_input(c, values) < 0 || check_format(c, values[TEXT]) < 0)
        return -1;
    return view_is_absent(values[TOOLS]) ? 0 : check_tools(c, values[TOOLS]);
}
