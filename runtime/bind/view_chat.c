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
enum { ROLE, CONTENT, CALLS, CALL_ID, OF_MESSAGE };
static const struct str MESSAGE_NAMES[OF_MESSAGE] = {STR("role"), STR("content"), STR("tool_calls"), STR("tool_call_id")};

/* The messages are read while the body is validated. */
struct reading {
    struct view_check *check;
    int64_t bytes;
    bool is_refused; /* one of them; the rest is passed over */
};

static bool is_role(struct str role)
{
    static const char *const ROLES[] = {"\"user\"", "\"assistant\"", "\"system\"", "\"tool\"", "\"developer\"", "\"function\""};
    for (int i = 0; i < 6; i++)
        if (str_eq(role, ROLES[i]))
            return true;
    return false;
}

static int read_calls(struct view_check *c, const struct str *m, int index)
{
    for (struct json_walk w = json_walk(m[CALLS]); json_type(m[CALLS]) == JSON_ARRAY && json_next(&w);)
        view_note_call(c, json_get(w.value, "id"));
    return str_eq(m[ROLE], "\"tool\"") ? view_check_result(c, "messages", index, "tool_call_id", m[CALL_ID]) : 0;
}

static int refuse_message(struct view_check *c, const struct str *m, int index)
{
    if (m && json_type(m[ROLE]) == JSON_STRING)
        return view_refuse(c, view_path(c, "messages", index, "role"),
                           "Invalid value for 'messages[%d].role': expected one of system, developer, user, assistant, tool, function.", index);
    return view_refuse(c, view_path(c, "messages", index, NULL), "Invalid 'messages[%d]': expected an object with a string member 'role'.", index);
}

/* One message by its members; NULL: it is no object. */
static int read_message(struct view_check *c, const struct str *m, int64_t *bytes)
{
    struct view *v = c->view;
    int index = v->message_count;
    if (m == NULL || !is_role(m[ROLE]))
        return refuse_message(c, m, index);
    if (str_eq(m[ROLE], "\"user\""))
        v->last_user = m[CONTENT];
    if (json_type(m[CONTENT]) == JSON_STRING) {
        *bytes += (int64_t)m[CONTENT].len;
    } else if (!view_is_absent(m[CONTENT])) {
        if (json_type(m[CONTENT]) != JSON_ARRAY)
            return view_refuse(c, view_path(c, "messages", index, "content"), "Invalid type for 'messages[%d].content': expected a string or an array.", index);
        int64_t more = view_weigh(c, "messages", index, m[CONTENT]);
        if (more < 0)
            return -1;
        *bytes += more;
    }
    return m[CALLS].p || m[ROLE].len == 6 ? read_calls(c, m, index) : 0;
}

static void begin_messages(void *arg)
{
    struct reading *r = arg;
    struct view *v = r->check->view;
    v->message_count = 0;
    v->tokens = 0;
    v->has_image = false;
    v->last_user = (struct str){NULL, 0};
    r->check->call_count = 0;
    r->bytes = 0;
    r->is_refused = false;
}

static void take_message(void *arg, const struct str *values)
{
    struct reading *r = arg;
    if (r->is_refused)
        return;
    r->is_refused = read_message(r->check, values, &r->bytes) < 0;
    r->check->view->message_count++;
}

/* Whether there were any, and all were good: what is wrong with one of them was said when it was read. */
static int check_messages(const struct reading *r)
{
    struct view_check *c = r->check;
    struct view *v = c->view;
    if (v->messages.p == NULL)
        return view_refuse(c, "messages", "Missing required parameter: 'messages'.");
    if (json_type(v->messages) != JSON_ARRAY)
        return view_refuse(c, "messages", "Invalid type for 'messages': expected an array of objects.");
    if (r->is_refused)
        return -1;
    v->tokens += v->message_count * VIEW_TOKENS_PER_MESSAGE + (r->bytes + VIEW_BYTES_PER_TOKEN - 1) / VIEW_BYTES_PER_TOKEN;
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
    struct str values[NAME_COUNT], of_message[OF_MESSAGE];
    struct reading r = {.check = c};
    struct json_inner inner = {MESSAGES, MESSAGE_NAMES, of_message, OF_MESSAGE, begin_messages, take_message, &r};
    struct json_members members = {NAMES, values, NAME_COUNT, false, &inner};
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
    if (view_check_common(c, values[STREAM], v->tools) < 0 || check_messages(&r) < 0)
        return -1;
    if (view_check_numbers(c, NAMES + MAX_TOKENS, values + MAX_TOKENS, TOP_P + 1 - MAX_TOKENS) < 0)
        return -1;
    if (!view_is_absent(v->tools) && check_tools(c) < 0)
        return -1;
    return view_is_absent(values[FORMAT]) ? 0 : check_format(c, values[FORMAT]);
}
