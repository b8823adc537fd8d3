#include "serve/fit.h"

#include "base/json.h"
#include "bind/derive.h"
#include "bind/scope.h"
#include "serve/request.h"

enum { BYTES_PER_TOKEN = 4, TOKENS_PER_MESSAGE = 3, TOKENS_PER_IMAGE = 765 };

/* What is sent: the client's body or the ask's, under the edits of both. */
struct sent {
    const struct view *view;
    const struct model *model;
    const struct ask_options *ask;
};

static bool find_edit(const struct json_edit *edits, int count, const char *name, struct str *value)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(edits[i].name, name) != 0)
            continue;
        *value = edits[i].value;
        return true;
    }
    return false;
}

/* An ask's edits win over the model's. */
static bool is_edited(const struct sent *s, const char *name, struct str *value)
{
    const struct derived *d = s->model->derived;
    return (s->ask && find_edit(s->ask->edits, s->ask->edit_count, name, value)) ||
           (d && find_edit(d->edits, d->edit_count, name, value));
}

/* Edits win over the body, which has this member in chat's shape only. */
static struct str member(const struct sent *s, const char *name)
{
    struct str value;
    if (is_edited(s, name, &value))
        return value;
    return json_get(s->ask && s->ask->body.p ? s->ask->body : s->view->chat, name);
}

static bool has_own_messages(const struct sent *s)
{
    struct str value;
    return s->ask && (s->ask->body.p || find_edit(s->ask->edits, s->ask->edit_count, "messages", &value));
}

static bool has_image(const struct sent *s)
{
    static const char PART[] = "\"image_url\"";
    if (!has_own_messages(s))
        return s->view->has_image;
    struct str messages = member(s, "messages");
    return messages.p && memmem(messages.p, messages.len, PART, sizeof PART - 1);
}

static int64_t most_reply_tokens(const struct sent *s)
{
    struct str value;
    int64_t n = 0;
    bool is_own = s->ask && s->ask->body.p;
    if (!is_own && !is_edited(s, "max_tokens", &value) && !is_edited(s, "max_completion_tokens", &value))
        return (int64_t)s->view->max_tokens;
    if (!json_integer(member(s, "max_completion_tokens"), &n) && !json_integer(member(s, "max_tokens"), &n))
        n = 0;
    return n > 0 ? n : 0;
}

static int64_t content_tokens(struct str content)
{
    if (json_type(content) != JSON_ARRAY)
        return (int64_t)content.len / BYTES_PER_TOKEN;
    int64_t tokens = 0;
    for (struct json_walk w = json_walk(content); json_next(&w);) {
        struct str text = json_get(w.value, "text");
        tokens += text.p ? (int64_t)text.len / BYTES_PER_TOKEN : TOKENS_PER_IMAGE;
    }
    return tokens;
}

static int64_t message_tokens(struct str messages)
{
    int64_t tokens = 0;
    for (struct json_walk w = json_walk(messages); json_next(&w);)
        tokens += TOKENS_PER_MESSAGE + content_tokens(json_get(w.value, "content"));
    return tokens;
}

/* The view's estimate of the client's messages, the same rule for others; and the system prompt of model:with, which may take another's place. */
static int64_t prompt_tokens(const struct sent *s)
{
    const struct derived *d = s->model->derived;
    int64_t tokens = s->view->tokens;
    if (has_own_messages(s))
        tokens = message_tokens(member(s, "messages"));
    return tokens + (d ? (int64_t)d->system.len / BYTES_PER_TOKEN : 0);
}

static bool has_tools(const struct sent *s)
{
    struct str tools;
    if (!is_edited(s, "tools", &tools))
        return !(s->ask && s->ask->body.p) && s->view->has_tools;
    struct json_walk w = json_walk(tools);
    return json_type(tools) == JSON_ARRAY && json_next(&w);
}

static bool wants_structure(const struct sent *s)
{
    struct str format;
    if (!is_edited(s, "response_format", &format))
        return !(s->ask && s->ask->body.p) && s->view->wants_schema;
    return str_eq(json_plain(json_get(format, "type")), "json_schema");
}

const char *fit_problem(const struct request *rq, const struct model *m, const struct ask_options *ask)
{
    const struct sent s = {&rq->scope.view, m, ask};
    if (m->context > 0) {
        int64_t needs = prompt_tokens(&s) + most_reply_tokens(&s);
        if (needs > m->context)
            return arena_printf(s.view->arena, "context too small: needs %lld of %u tokens", (long long)needs, m->context);
    }
    if (m->tools == 0 && has_tools(&s))
        return "no tools";
    if (m->vision == 0 && has_image(&s))
        return "no vision";
    if (m->structured == 0 && wants_structure(&s))
        return "no structured output";
    return NULL;
}
