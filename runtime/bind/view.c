#include "bind/view.h"

#include "base/json.h"

enum { BYTES_PER_TOKEN = 4, TOKENS_PER_MESSAGE = 3, TOKENS_PER_IMAGE = 765 };

enum { MODEL, STREAM, MESSAGES, TOOLS, METADATA, USER, STREAM_OPTIONS, SAFETY_ID, CACHE_KEY, NAME_COUNT };
static const char *const NAMES[NAME_COUNT] = {"model", "stream",         "messages",          "tools",           "metadata",
                                              "user",  "stream_options", "safety_identifier", "prompt_cache_key"};

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

/* One walk over the messages: checks them, weighs them, remembers the user's last. */
static int read_messages(struct view *v, const char **param, struct err *err)
{
    static const char *const MEMBERS[] = {"role", "content"};
    if (v->messages.p == NULL)
        return refuse(param, "messages", err, "Missing required parameter: 'messages'.");
    if (json_type(v->messages) != JSON_ARRAY)
        return refuse(param, "messages", err, "Invalid type for 'messages': expected an array of objects.");
    int count = 0;
    int64_t bytes = 0;
    for (struct json_walk w = json_walk(v->messages); json_next(&w); count++) {
        struct str members[2];
        json_get_many(w.value, MEMBERS, members, 2);
        if (json_type(members[0]) != JSON_STRING) {
            *param = arena_printf(v->arena, "messages[%d]", count);
            return err_set(err, ERR_BAD_REQUEST,
                           "Invalid 'messages[%d]': expected an object with a string member 'role'.", count);
        }
        if (str_eq(json_plain(members[0]), "user"))
            v->last_user = members[1];
        bytes += weigh(v, members[1]);
    }
    v->tokens += count * TOKENS_PER_MESSAGE + (bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
    if (count == 0)
        return refuse(param, "messages", err, "Invalid 'messages': expected at least one message.");
    return 0;
}

static int check_types(struct view *v, struct str model, struct str stream, const char **param, struct err *err)
{
    if (model.p == NULL)
        return refuse(param, "model", err, "You must provide a model parameter.");
    if (json_type(model) != JSON_STRING)
        return refuse(param, "model", err, "Invalid type for 'model': expected a string.");
    if (!is_absent(stream) && !is_boolean(stream))
        return refuse(param, "stream", err, "Invalid type for 'stream': expected a boolean.");
    if (!is_absent(v->tools) && json_type(v->tools) != JSON_ARRAY)
        return refuse(param, "tools", err, "Invalid type for 'tools': expected an array.");
    v->model = json_text(model, v->arena);
    v->stream = json_is_true(stream);
    return read_messages(v, param, err);
}

int view_init(struct view *v, const char *id, const struct http_head *head, struct str body,
              struct arena *arena, const char **param, struct err *err)
{
    struct err why;
    *param = NULL;
    *v = (struct view){.id = id, .head = head, .arena = arena, .body = body};
    if (json_validate(body, &why) < 0)
        return err_set(err, ERR_BAD_REQUEST, "The body of your request is not valid JSON: %s", why.message);
    if (json_type(body) != JSON_OBJECT)
        return err_set(err, ERR_BAD_REQUEST, "The body of your request must be a JSON object.");
    struct str values[NAME_COUNT];
    json_get_many(body, NAMES, values, NAME_COUNT);
    v->messages = values[MESSAGES];
    v->tools = values[TOOLS];
    v->metadata = values[METADATA];
    v->user = values[USER].p ? values[USER] : values[SAFETY_ID];
    v->cache_key = values[CACHE_KEY];
    v->stream_options = values[STREAM_OPTIONS];
    v->wants_usage = json_is_true(json_get(v->stream_options, "include_usage"));
    return check_types(v, values[MODEL], values[STREAM], param, err);
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
    struct str value = http_field(v->head, "x-wye-conversation");
    if (value.p == NULL)
        value = json_text(json_get(v->metadata, "conversation"), v->arena);
    if (value.p == NULL)
        value = json_text(json_get(v->metadata, "conversation_id"), v->arena);
    return value.p ? value : json_text(v->cache_key, v->arena);
}
