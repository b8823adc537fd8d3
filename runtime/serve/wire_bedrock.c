/* The wire of Bedrock's Converse: the events of a stream are named by their frames, and `metadata`, with the usage, comes last. */
#include "base/json.h"
#include "serve/wire.h"

static void read_usage(struct str json, struct usage *u)
{
    enum { INPUT, OUTPUT, READ, WRITE, COUNT };
    static const struct str NAMES[COUNT] = {
        STR("inputTokens"), STR("outputTokens"), STR("cacheReadInputTokens"),
        STR("cacheWriteInputTokens")};
    struct str v[COUNT];
    if (json_type(json) != JSON_OBJECT)
        return;
    json_get_many(json, NAMES, v, COUNT);
    u->is_known = true;
    u->tokens[PRICE_INPUT] = wire_count(v[INPUT]);
    u->tokens[PRICE_OUTPUT] = wire_count(v[OUTPUT]);
    u->tokens[PRICE_CACHE_READ] = wire_count(v[READ]);
    u->tokens[PRICE_CACHE_WRITE] = wire_count(v[WRITE]);
}

static const struct {
    const char *word;
    enum err_kind kind;
} EXCEPTIONS[] = {
    {"hrottling", ERR_RATE_LIMIT},     {"erviceUnavailable", ERR_OVERLOADED}, {"odelNotReady", ERR_OVERLOADED},
    {"alidation", ERR_BAD_REQUEST},    {"ccessDenied", ERR_AUTH},             {"odelTimeout", ERR_TIMEOUT},
    {"esourceNotFound", ERR_BAD_REQUEST},
};

static struct frame read_exception(struct str name, struct str data, struct err *err)
{
    enum err_kind kind = ERR_SERVER_ERROR;
    wire_error_in_200(data, err);
    for (size_t i = 0; i < sizeof EXCEPTIONS / sizeof *EXCEPTIONS; i++)
        if (wire_has_word(name, EXCEPTIONS[i].word))
            kind = EXCEPTIONS[i].kind;
    err->kind = kind;
    return (struct frame){.kind = FRAME_ERROR};
}

static struct frame read_frame(struct str name, struct str data, struct usage *usage, struct err *err)
{
    static const struct str NAMES[] = {STR("usage")};
    struct frame f = {.kind = FRAME_BAD};
    struct str v[1];
    if (!wire_members(data, NAMES, v, 1, err))
        return f;
    f.kind = FRAME_LIFECYCLE;
    if (wire_has_word(name, "xception") || str_eq(name, "error"))
        return read_exception(name, data, err);
    if (str_eq(name, "contentBlockDelta")) {
        f.kind = FRAME_CONTENT;
    } else if (str_eq(name, "contentBlockStart")) {
        f.kind = json_type(json_pointer(data, "/start/toolUse")) == JSON_OBJECT ? FRAME_CONTENT : FRAME_LIFECYCLE;
    } else if (str_eq(name, "messageStop")) {
        f.kind = FRAME_CONTENT;
        f.is_finish = true;
    } else if (str_eq(name, "metadata")) {
        read_usage(v[0], usage);
        f.kind = FRAME_USAGE;
        f.is_last = true;
    }
    return f;
}

static int read_reply(struct str body, struct usage *usage, struct err *err)
{
    static const struct str NAMES[] = {STR("output"), STR("usage")};
    struct str v[2];
    if (!wire_members(body, NAMES, v, 2, err))
        return -1;
    if (json_type(v[0]) != JSON_OBJECT)
        return err_set(err, ERR_MALFORMED, "the provider's answer has no `output`");
    read_usage(v[1], usage);
    return 0;
}

const struct wire WIRE_BEDROCK = {"bedrock", read_frame, read_reply};
