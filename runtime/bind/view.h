/*
 * view: a read-only look at the client's chat request. Bytes stay as they came; what a route asks
 * for is found on first use and kept in the request's arena.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "net/http.h"

struct view {
    const char *id;
    const struct http_head *head;
    struct arena *arena;
    struct str body;  /* valid JSON, an object */
    struct str model; /* decoded */
    struct str raw_model;
    bool is_odd; /* a member repeats: splicing one place would not do */
    int message_count;
    struct str messages, tools, metadata, user, stream_options, cache_key; /* raw; {NULL, 0} when absent */
    bool stream;
    bool wants_usage; /* stream_options.include_usage */
    bool has_image;
    uint64_t max_tokens;  /* that the answer may have, all choices; 0: the client set none */
    int64_t tokens;       /* estimate: text bytes / 4, 3 a message, 765 an image */
    struct str last_user; /* raw content of the user's last message */
    struct str prompt;    /* its text, once view_prompt was asked */
};

/*
 * Validates the body as a chat completion request. -1 with *param (the field at fault, or NULL) and
 * err: the words the client reads.
 */
int view_init(struct view *v, const char *id, const struct http_head *head, struct str body,
              struct arena *arena, const char **param, struct err *err);

struct str view_prompt(struct view *v); /* text of the last user message */
struct str view_user(struct view *v);         /* user, safety_identifier or header x-wye-user */
struct str view_conversation(struct view *v); /* header x-wye-conversation, metadata.conversation(_id), prompt_cache_key */
