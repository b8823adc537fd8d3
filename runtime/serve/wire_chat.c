/* The wire of OpenAI's chat completions, and of the embeddings beside them. */
#include "base/json.h"
#include "serve/usage.h"
#include "serve/wire.h"

/* A delta with anything but a role and empty members is content. */
static bool has_content(struct str delta)
{
    for (struct json_walk w = json_walk(delta); json_next(&w);) {
        if (str_eq(w.key, "role"))
            continue;
        enum json_type type = json_type(w.value);
        if (type == JSON_NULL || ((type == JSON_STRING || type == JSON_ARRAY) && w.value.len == 2))
            continue;
        return true;
    }
    return false;
}

static bool is_error(struct str error)
{
    return error.p && json_type(error) != JSON_NULL;
}

enum { CHOICES, USAGE, ERROR, COUNT };
static const struct str NAMES[COUNT] = {STR("choices"), STR("usage"), STR("error")};

static struct frame read_frame(struct str name, struct str data, struct usage *usage, struct err *err)
{
    struct frame f = {.kind = FRAME_BAD};
    struct str values[COUNT];
    (void)name;
    if (str_eq(data, "[DONE]"))
        return (struct frame){.kind = FRAME_LIFECYCLE, .is_last = true};
    if (!wire_members(data, NAMES, values, COUNT, err))
        return f;
    if (is_error(values[ERROR])) {
        wire_error_in_200(values[ERROR], err);
        f.kind = FRAME_ERROR;
        return f;
    }
    bool has_usage = json_type(values[USAGE]) == JSON_OBJECT;
    if (has_usage)
        *usage = usage_read(values[USAGE]);
    f.has_null_usage = json_type(values[USAGE]) == JSON_NULL;
    f.kind = FRAME_LIFECYCLE;
    int choices = 0;
    for (struct json_walk w = json_walk(values[CHOICES]); json_type(values[CHOICES]) == JSON_ARRAY && json_next(&w); choices++) {
        struct str finish = json_get(w.value, "finish_reason");
        f.is_finish = f.is_finish || json_type(finish) == JSON_STRING;
        if (f.is_finish || has_content(json_get(w.value, "delta")))
            f.kind = FRAME_CONTENT;
    }
    if (choices == 0 && has_usage)
        f.kind = FRAME_USAGE;
    return f;
}

/* A body with an array `list`. */
static int read_whole(struct str body, struct str list, const char *what, struct usage *usage, struct err *err)
{
    const struct str names[COUNT] = {list, STR("usage"), STR("error")};
    struct str values[COUNT], counts[USAGE_NAME_COUNT];
    struct json_inner inner = {.of = USAGE, .names = USAGE_NAMES, .values = counts, .count = USAGE_NAME_COUNT};
    struct json_members members = {names, values, COUNT, false, &inner};
    struct err why;
    if (json_validate_members(body, &members, &why) < 0)
        return err_set(err, ERR_MALFORMED, "the provider's answer is no JSON: %s", why.message);
    if (is_error(values[ERROR])) {
        wire_error_in_200(values[ERROR], err);
        return -1;
    }
    if (json_type(values[CHOICES]) != JSON_ARRAY)
        return err_set(err, ERR_MALFORMED, "the provider's answer is no %s: it has no `%s`", what, list.p);
    *usage = json_type(values[USAGE]) == JSON_OBJECT ? usage_of(counts) : (struct usage){0};
    return 0;
}

static int read_reply(struct str body, struct usage *usage, struct err *err)
{
    return read_whole(body, str_of("choices"), "chat completion", usage, err);
}

static int read_embeddings(struct str body, struct usage *usage, struct err *err)
{
    return read_whole(body, str_of("data"), "list of embeddings", usage, err);
}

const struct wire WIRE_CHAT = {"chat", read_frame, read_reply};
const struct wire WIRE_EMBEDDINGS = {"embeddings", read_frame, read_embeddings};
