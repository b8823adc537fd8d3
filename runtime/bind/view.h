/*
 * view: a read-only look at the client's request, whichever protocol it is in. Bytes stay as they came; what a route asks
 * for is found on first use and kept in the request's arena.
 *
 * Routes see one shape: that of chat completions. For a client of another protocol view_chat makes it, once, when a route first looks into the messages or
 * asks a model; the rest (prompt, tokens, has_image, …) is read where it stands.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "net/http.h"

enum protocol { PROTOCOL_CHAT, PROTOCOL_MESSAGES, PROTOCOL_RESPONSES, PROTOCOL_EMBEDDINGS };

/* "chat", "messages", …: also the names of scripts/inbound. */
extern const char *const PROTOCOL_NAMES[];

struct view {
    enum protocol protocol;
    const char *id;
    const struct http_head *head;
    struct arena *arena;
    struct str body;  /* valid JSON, an object */
    struct str model; /* decoded */
    struct str raw_model;
    bool is_odd; /* a member repeats: splicing one place would not do */
    int message_count;
    struct str messages, tools; /* raw, in chat's shape: view_chat first */
    struct str metadata, user, stream_options, cache_key; /* raw; {NULL, 0} when absent */
    struct str chat;  /* the body in chat's shape; {NULL, 0}: not made yet */
    struct str (*to_chat)(struct view *v, struct err *err); /* makes it; the server's, NULL where it has none */
    bool stream;
    bool has_tools;
    bool wants_schema; /* an answer that follows a JSON schema */
    bool wants_usage; /* stream_options.include_usage */
    bool has_image;
    uint64_t max_tokens;  /* that the answer may have, all choices; 0: the client set none */
    int64_t tokens;       /* estimate: text bytes / 4, 3 a message, 765 an image */
    struct str last_user; /* raw content of the user's last message */
    struct str prompt;    /* its text, once view_prompt was asked */
};

/*
 * Validates the body as a request of that protocol. -1 with *param (the field at fault, or NULL) and
 * err: the words the client reads.
 */
int view_init(struct view *v, enum protocol protocol, const char *id, const struct http_head *head, struct str body,
              struct arena *arena, const char **param, struct err *err);

/* Makes `chat`, `messages` and `tools` unless they are there. -1 with err when the request has no such shape. */
int view_chat(struct view *v, struct err *err);

struct str view_prompt(struct view *v); /* text of the last user message */
struct str view_user(struct view *v);         /* user, safety_identifier, metadata.user_id or header x-wye-user */
struct str view_conversation(struct view *v); /* header x-wye-conversation, metadata.conversation(_id), prompt_cache_key */
