#include "bind/view.h"

#include "base/json.h"
#include "bind/view_check.h"

const char *const PROTOCOL_NAMES[] = {"chat", "messages", "responses", "embeddings"};

int view_init(struct view *v, enum protocol protocol, const char *id, const struct http_head *head, struct str body,
              struct arena *arena, const char **param, struct err *err)
{
    static int (*const READERS[])(struct view_check *c) = {view_read_chat, view_read_messages, view_read_responses, view_read_embeddings};
    struct view_check c = {.view = v, .param = param, .err = err};
    *param = NULL;
    *v = (struct view){.protocol = protocol, .id = id, .head = head, .arena = arena, .body = body};
    return READERS[protocol](&c);
}

int view_chat(struct view *v, struct err *err)
{
    static const struct str NAMES[] = {STR("messages"), STR("tools")};
    struct str values[2];
    if (v->chat.p)
        return 0;
    if (v->to_chat == NULL)
        return err_set(err, ERR_BAD_REQUEST, "a request to %s has no messages here", PROTOCOL_NAMES[v->protocol]);
    struct str chat = v->to_chat(v, err);
    if (chat.p == NULL)
        return -1;
    json_get_many(chat, NAMES, values, 2);
    v->chat = chat;
    v->messages = values[0];
    v->tools = values[1];
    return 0;
}

struct str view_prompt(struct view *v)
{
    if (v->prompt.p == NULL)
        v->prompt = view_text(v, v->last_user);
    return v->prompt;
}

struct str view_user(struct view *v)
{
    struct str user = json_text(v->user, v->arena);
    return user.p ? user : http_field(v->head, "x-wye-user");
}

struct str view_conversation(struct view *v)
{
    static const struct str IN_METADATA[] = {STR("conversation"), STR("conversation_id")};
    struct str value = http_field(v->head, "x-wye-conversation"), named[2] = {{0}};
    if (value.p)
        return value;
    if (v->metadata.p)
        json_get_many(v->metadata, IN_METADATA, named, 2);
    value = named[0].p ? named[0] : named[1].p ? named[1] : v->cache_key;
    return value.p ? json_text(value, v->arena) : value;
}
