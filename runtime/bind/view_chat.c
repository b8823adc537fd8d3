/* The view of a chat completion request: the plain path, in one walk. */
#include "base/json.h"
#include "bind/view_check.h"

/* Those that most requests have come first: a key is compared with each in turn. From MAX_TOKENS to TOP_P they are numbers. */
enum { MODEL, MESSAGES, STREAM, MAX_TOKENS, MAX_COMPLETION_TOKENS, CHOICES, TEMPERATURE, TOP_P,
       TOOLS, STREAM_OPTIONS, METADATA, USER, SAFETY_ID, CACHE_KEY, FORMAT, NAME_COUNT };
static const struct str NAMES[NAME_COUNT] = {
    STR("model"), STR("messages"), STR("stream"), STR("max_tokens"), STR("max_completion_tokens"),
    STR("n"), STR("temperature"), STR("top_p"), STR("tools"), STR("stream_options"),
    STR("metadata"), STR("user"), STR("safety_identifier"), STR("prompt_cache_key"),
    STR("response_format")};

/* What a message is read for. */
struct message {
    struct str role, content, calls, call_id;
};

static bool is_role(struct str role)
{
    static const char *const ROLES[] = {"\"user\"", "\"assistant\"", "\"system\"", "\"tool\"", "\"developer\"", "\"function\""};
    for (int i = 0; i < 6; i++)
        if (str_eq(role, ROLES[i]))
            return true;
    return false;
}

static void read_member(struct message *m, struct str key, struct str value)
{
    if (str_eq(key, "role"))
        m->role = value;
    else if (str_eq(key, "content"))
        m->content = value;
    else if (str_eq(key, "tool_calls"))
        m->calls = value;
    else if (str_eq(key, "tool_call_id"))
        m->call_id = value;
}

static int read_calls(struct view_check *c, const struct message *m, int index)
{
    for (struct json_walk w = json_walk(m->calls); json_type(m->calls) == JSON_ARRAY && json_next(&w);)
        view_note_call(c, json_get(w.value, "id"));
    return str_eq(m->role, "\"tool\"") ? view_check_result(c, "messages", index, "tool_call_id", m->call_id) : 0;
}

static int refuse_message(struct view_check *c, const struct message *m, int index)
{
    if (json_type(m->role) == JSON_STRING)
        return view_refuse(c, view_path(c, "messages", index, "role"),
                           "Invalid value for 'messages[%d].role': expected one of system, developer, user, assistant, tool, function.", index);
    return view_refuse(c, view_path(c, "messages", index, NULL), "Invalid 'messages[%d]': expected an object with a string member 'role'.", index);
}

/* One message, which w has reached. */
static int read_message(struct view_check *c, struct json_walk *w, int64_t *bytes)
{
    struct view *v = c->view;
    struct message msg = {0};
    int index = v->message_count;
    struct json_walk m = json_enter(w);
    if (!m.is_object)
        return refuse_message(c, &msg, index);
    while (json_next_key(&m)) {
        json_skip(&m);
        read_member(&msg, m.key, m.value);
    }
    json_leave(w, &m);
    if (!is_role(msg.role))
        return refuse_message(c, &msg, index);
    if (str_eq(msg.role, "\"user\""))
        v->last_user = msg.content;
    if (json_type(msg.content) == JSON_STRING) {
        *bytes += (int64_t)msg.content.len;
    } else if (!view_is_absent(msg.content)) {
        if (json_type(msg.content) != JSON_ARRAY)
            return view_refuse(c, view_path(c, "messages", index, "content"), "Invalid type for 'messages[%d].content': expected a string or an array.", index);
        int64_t more = view_weigh(c, "messages", index, msg.content);
        if (more < 0)
            return -1;
        *bytes += more;
    }
    return msg.calls.p || msg.role.len == 6 ? read_calls(c, &msg, index) : 0;
}

/* One walk over the messages: checked, weighed, the user's last one remembered. */
static int read_messages(struct view_check *c)
{
    struct view *v = c->view;
    int64_t bytes = 0;
    if (v->messages.p == NULL)
        return view_refuse(c, "messages", "Missing required parameter: 'messages'.");
    if (json_type(v->messages) != JSON_ARRAY)
        return view_refuse(c, "messages", "Invalid type for 'messages': expected an array of objects.");
    for (struct json_walk w = json_walk(v->messages); json_next_key(&w); v->message_count++)
        if (read_message(c, &w, &bytes) < 0)
            return -1;
    v->tokens += v->message_count * VIEW_TOKENS_PER_MESSAGE + (bytes + VIEW_BYTES_PER_TOKEN - 1) / VIEW_BYTES_PER_TOKEN;
    return v->message_count ? 0 : view_refuse(c, "messages", "Invalid 'messages': expected at least one message.");
}

static int check_tools(struct view_check *c)
{
    int n = 0;
    for (struct json_walk w = json_walk(c->view->tools); json_next(&w); n++) {
        struct str function = json_get(w.value, "function"), schema = json_get(function, "parameters");
        if (json_type(w.value) != JSON_OBJECT)
            return view_refuse(c, view_path(c, "tools", n, NULL), "Invalid 'tools[%d]': expected an object.", n);
        if (!view_is_absent(schema) && view_check_schema(c, view_path(c, "tools", n, "function.parameters"), schema) < 0)
            return -1;
    }
    c->view->has_tools = n > 0;
    return 0;
}

static int check_format(struct view_check *c, struct str format)
{
    struct view *v = c->view;
    if (json_type(format) != JSON_OBJECT)
        return view_refuse(c, "response_format", "Invalid type for 'response_format': expected an object.");
    v->wants_schema = str_eq(json_plain(json_get(format, "type")), "json_schema");
    if (!v->wants_schema)
        return 0;
    struct str schema = json_pointer(format, "/json_schema/schema");
    return schema.p ? view_check_schema(c, "response_format.json_schema.schema", schema) : 0;
}

/* The larger of the two names' values for each choice; providers read the one or the other. */
static uint64_t read_max_tokens(const struct str *values)
{
    int64_t old = 0, new = 0, choices = 1;
    if (values[MAX_TOKENS].p == NULL && values[MAX_COMPLETION_TOKENS].p == NULL)
        return 0;
    json_integer(values[MAX_TOKENS], &old);
    json_integer(values[MAX_COMPLETION_TOKENS], &new);
    json_integer(values[CHOICES], &choices);
    int64_t most = old > new ? old : new;
    bool is_sane = most > 0 && most < INT32_MAX && choices > 0 && choices < 1024;
    return is_sane ? (uint64_t)(most * choices) : 0;
}

int view_read_chat(struct view_check *c)
{
    struct view *v = c->view;
    struct str values[NAME_COUNT];
    struct json_members members = {NAMES, values, NAME_COUNT, false};
    if (view_read_members(c, &members) < 0)
        return -1;
    v->chat = v->body;
    v->messages = values[MESSAGES];
    v->raw_model = values[MODEL];
    v->tools = values[TOOLS];
    v->metadata = values[METADATA];
    v->user = values[USER].p ? values[USER] : values[SAFETY_ID];
    v->cache_key = values[CACHE_KEY];
    v->stream_options = values[STREAM_OPTIONS];
    v->max_tokens = read_max_tokens(values);
    v->wants_usage = v->stream_options.p && json_is_true(json_get(v->stream_options, "include_usage"));
    if (view_check_common(c, values[STREAM], v->tools) < 0 || read_messages(c) < 0)
        return -1;
    if (view_check_numbers(c, NAMES + MAX_TOKENS, values + MAX_TOKENS, TOP_P + 1 - MAX_TOKENS) < 0)
        return -1;
    if (!view_is_absent(v->tools) && check_tools(c) < 0)
        return -1;
    return view_is_absent(values[FORMAT]) ? 0 : check_format(c, values[FORMAT]);
}
