#include "bind/view.h"

#include "base/json.h"

enum { BYTES_PER_TOKEN = 4, TOKENS_PER_MESSAGE = 3, TOKENS_PER_IMAGE = 765, MAX_MODEL = 1024 };

enum { MODEL, STREAM, MESSAGES, TOOLS, METADATA, USER, STREAM_OPTIONS, SAFETY_ID, CACHE_KEY, MAX_TOKENS, MAX_COMPLETION_TOKENS, CHOICES, NAME_COUNT };
static const char *const NAMES[NAME_COUNT] = {"model", "stream",         "messages",          "tools",           "metadata",
                                              "user",  "stream_options", "safety_identifier", "prompt_cache_key",
                                              "max_tokens", "max_completion_tokens", "n"};

static int refuse(const char **param, const char *name, struct err *err, const char *words)
{
    *param = name;
    return err_set(err, ERR_BAD_REQUEST, "%s", words);
}

static bool is_absent(struct str value)
{
    return value.p == NULL || json_type(value) == JSON_NULL;
}

static bool is_boolean(struct str value)
{
    enum json_type type = json_type(value);
    return type == JSON_TRUE || type == JSON_FALSE;
}

static bool is_image(struct str type)
{
    return str_eq(type, "image_url") || str_eq(type, "input_image") || str_eq(type, "image");
}

/* Counts a message's content: its images; returns its bytes of text. */
static int64_t weigh(struct view *v, struct str content)
{
    if (json_type(content) != JSON_ARRAY)
        return json_type(content) == JSON_STRING ? (int64_t)content.len : 0;
    int64_t bytes = 0;
    for (struct json_walk w = json_walk(content); json_next(&w);) {
        bytes += (int64_t)json_get(w.value, "text").len;
        if (!is_image(json_plain(json_get(w.value, "type"))))
            continue;
        v->has_image = true;
        v->tokens += TOKENS_PER_IMAGE;
    }
    return bytes;
}

/* One message, which w has reached. False when it is no object with a role. */
static bool read_message(struct view *v, struct json_walk *w, int64_t *bytes)
{
    struct str role = {0}, content = {0};
    struct json_walk m = json_enter(w);
    if (!m.is_object)
        return false;
    while (json_next_key(&m)) {
        bool is_role = str_eq(m.key, "role"), is_content = str_eq(m.key, "content");
        json_skip(&m);
        if (is_role)
            role = m.value;
        else if (is_content)
            content = m.value;
    }
    json_leave(w, &m);
    if (str_eq(json_plain(role), "user"))
        v->last_user = content;
    *bytes += weigh(v, content);
    return json_type(role) == JSON_STRING;
}

/* One walk over the messages: checked, weighed, the user's last one remembered. Returns the index of a wrong one, or -1. */
static int read_messages(struct view *v)
{
    struct json_walk w = json_walk(v->messages);
    int64_t bytes = 0;
    for (; json_next_key(&w); v->message_count++)
        if (!read_message(v, &w, &bytes))
            return v->message_count;
    v->tokens += v->message_count * TOKENS_PER_MESSAGE + (bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
    return -1;
}

static int check_messages(struct view *v, const char **param, struct err *err)
{
    if (v->messages.p == NULL)
        return refuse(param, "messages", err, "Missing required parameter: 'messages'.");
    if (json_type(v->messages) != JSON_ARRAY)
        return refuse(param, "messages", err, "Invalid type for 'messages': expected an array of objects.");
    int wrong = read_messages(v);
    if (wrong >= 0) {
        *param = arena_printf(v->arena, "messages[%d]", wrong);
        return err_set(err, ERR_BAD_REQUEST,
                       "Invalid 'messages[%d]': expected an object with a string member 'role'.", wrong);
    }
    if (v->message_count == 0)
        return refuse(param, "messages", err, "Invalid 'messages': expected at least one message.");
    return 0;
}

static int check_types(struct view *v, struct str stream, const char **param, struct err *err)
{
    if (v->raw_model.p == NULL)
        return refuse(param, "model", err, "You must provide a model parameter.");
    if (json_type(v->raw_model) != JSON_STRING)
        return refuse(param, "model", err, "Invalid type for 'model': expected a string.");
    if (v->raw_model.len > MAX_MODEL)
        return refuse(param, "model", err, "Invalid 'model': longer than any model's name.");
    if (!is_absent(stream) && !is_boolean(stream))
        return refuse(param, "stream", err, "Invalid type for 'stream': expected a boolean.");
    if (!is_absent(v->tools) && json_type(v->tools) != JSON_ARRAY)
        return refuse(param, "tools", err, "Invalid type for 'tools': expected an array.");
    v->model = json_text(v->raw_model, v->arena);
    v->stream = json_is_true(stream);
    return 0;
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

int view_init(struct view *v, const char *id, const struct http_head *head, struct str body,
              struct arena *arena, const char **param, struct err *err)
{
    struct err why;
    *param = NULL;
    *v = (struct view){.id = id, .head = head, .arena = arena, .body = body};
    struct str values[NAME_COUNT];
    struct json_members members = {NAMES, values, NAME_COUNT, false};
    if (json_validate_members(body, &members, &why) < 0)
        return err_set(err, ERR_BAD_REQUEST, "The body of your request is not valid JSON: %s", why.message);
    if (json_type(body) != JSON_OBJECT)
        return err_set(err, ERR_BAD_REQUEST, "The body of your request must be a JSON object.");
    v->is_odd = members.repeats;
    v->messages = values[MESSAGES];
    v->raw_model = values[MODEL];
    v->tools = values[TOOLS];
    v->metadata = values[METADATA];
    v->user = values[USER].p ? values[USER] : values[SAFETY_ID];
    v->cache_key = values[CACHE_KEY];
    v->stream_options = values[STREAM_OPTIONS];
    v->max_tokens = read_max_tokens(values);
    v->wants_usage = v->stream_options.p && json_is_true(json_get(v->stream_options, "include_usage"));
    if (check_types(v, values[STREAM], param, err) < 0)
        return -1;
    return check_messages(v, param, err);
}

static struct str text_of(struct view *v, struct str content)
{
    if (json_type(content) == JSON_STRING)
        return json_text(content, v->arena);
    if (json_type(content) != JSON_ARRAY)
        return str_of("");
    struct buf text = BUF(v->body.len);
    for (struct json_walk w = json_walk(content); json_next(&w);) {
        struct str part = json_text(json_get(w.value, "text"), v->arena);
        if (part.p == NULL)
            continue;
        if (text.len > 0)
            buf_putc(&text, '\n');
        buf_append(&text, part.p, part.len);
    }
    struct str all = arena_str(v->arena, str_n(text.p, text.len));
    buf_clear(&text);
    return all.p ? all : str_of("");
}

struct str view_prompt(struct view *v)
{
    if (v->prompt.p == NULL)
        v->prompt = text_of(v, v->last_user);
    return v->prompt;
}

struct str view_user(struct view *v)
{
    struct str user = json_text(v->user, v->arena);
    return user.p ? user : http_field(v->head, "x-wye-user");
}

struct str view_conversation(struct view *v)
{
    static const char *const IN_METADATA[] = {"conversation", "conversation_id"};
    struct str value = http_field(v->head, "x-wye-conversation"), named[2] = {{0}};
    if (value.p)
        return value;
    if (v->metadata.p)
        json_get_many(v->metadata, IN_METADATA, named, 2);
    value = named[0].p ? named[0] : named[1].p ? named[1] : v->cache_key;
    return value.p ? json_text(value, v->arena) : value;
}
