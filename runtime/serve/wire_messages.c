/* The wire of Anthropic's messages. Cached tokens lie outside of input_tokens there; a stream tells its usage twice, the output's growing. */
#include "base/json.h"
#include "serve/wire.h"

static void put_count(struct str value, int64_t *bucket)
{
    if (json_type(value) == JSON_NUMBER)
        *bucket = wire_count(value);
}

static void read_usage(struct str json, struct usage *u)
{
    enum { INPUT, OUTPUT, READ, WRITE, COUNT };
    static const struct str NAMES[COUNT] = {
        STR("input_tokens"), STR("output_tokens"), STR("cache_read_input_tokens"),
        STR("cache_creation_input_tokens")};
    struct str values[COUNT];
    if (json_type(json) != JSON_OBJECT)
        return;
    json_get_many(json, NAMES, values, COUNT);
    u->is_known = true;
    put_count(values[INPUT], &u->tokens[PRICE_INPUT]);
    put_count(values[OUTPUT], &u->tokens[PRICE_OUTPUT]);
    put_count(values[READ], &u->tokens[PRICE_CACHE_READ]);
    put_count(values[WRITE], &u->tokens[PRICE_CACHE_WRITE]);
}

/* Blocks that are whole when they begin, or name a tool; text and thinking begin empty. */
static bool is_content_block(struct str block)
{
    struct str type = json_plain(json_get(block, "type"));
    return type.p && !str_eq(type, "text") && !str_eq(type, "thinking");
}

static bool is_empty_delta(struct str delta)
{
    struct str text = json_get(delta, "text"), thinking = json_get(delta, "thinking");
    return (text.p && text.len == 2) || (thinking.p && thinking.len == 2);
}

static struct frame read_frame(struct str name, struct str data, struct usage *usage, struct err *err)
{
    enum { TYPE, MESSAGE, BLOCK, DELTA, USAGE, ERROR, COUNT };
    static const struct str NAMES[COUNT] = {
        STR("type"), STR("message"), STR("content_block"), STR("delta"), STR("usage"),
        STR("error")};
    struct frame f = {.kind = FRAME_BAD};
    struct str v[COUNT];
    if (!wire_members(data, NAMES, v, COUNT, err))
        return f;
    struct str type = json_type(v[TYPE]) == JSON_STRING ? json_plain(v[TYPE]) : name;
    f.kind = FRAME_LIFECYCLE;
    if (str_eq(type, "error")) {
        wire_error_in_200(v[ERROR], err);
        f.kind = FRAME_ERROR;
    } else if (str_eq(type, "message_start")) {
        read_usage(json_get(v[MESSAGE], "usage"), usage);
    } else if (str_eq(type, "content_block_start")) {
        f.kind = is_content_block(v[BLOCK]) ? FRAME_CONTENT : FRAME_LIFECYCLE;
    } else if (str_eq(type, "content_block_delta")) {
        f.kind = is_empty_delta(v[DELTA]) ? FRAME_LIFECYCLE : FRAME_CONTENT;
    } else if (str_eq(type, "message_delta")) {
        read_usage(v[USAGE], usage);
        f.is_finish = json_type(json_get(v[DELTA], "stop_reason")) == JSON_STRING;
        f.kind = f.is_finish ? FRAME_CONTENT : FRAME_LIFECYCLE;
    } else if (str_eq(type, "message_stop")) {
        f.is_last = true;
    }
    return f;
}

static int read_reply(struct str body, struct usage *usage, struct err *err)
{
    static const struct str NAMES[] = {STR("content"), STR("usage"), STR("error")};
    struct str values[3];
    if (!wire_members(body, NAMES, values, 3, err))
        return -1;
    if (json_type(values[2]) == JSON_OBJECT) {
        wire_error_in_200(values[2], err);
        return -1;
    }
    if (json_type(values[0]) != JSON_ARRAY)
        return err_set(err, ERR_MALFORMED, "the provider's answer is no message: it has no `content`");
    read_usage(values[1], usage);
    return 0;
}

const struct wire WIRE_MESSAGES = {"messages", read_frame, read_reply};
