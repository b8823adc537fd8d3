/* The wire of Gemini's generateContent. Each chunk is a whole reply of its own, usage and all; cached tokens lie inside the prompt's, thoughts apart. */
#include "base/json.h"
#include "serve/wire.h"

static void read_usage(struct str json, struct usage *u)
{
    enum { PROMPT, CACHED, CANDIDATES, THOUGHTS, TOOLS, COUNT };
    static const struct str NAMES[COUNT] = {
        STR("promptTokenCount"), STR("cachedContentTokenCount"), STR("candidatesTokenCount"),
        STR("thoughtsTokenCount"), STR("toolUsePromptTokenCount")};
    struct str v[COUNT];
    if (json_type(json) != JSON_OBJECT)
        return;
    json_get_many(json, NAMES, v, COUNT);
    int64_t prompt = wire_count(v[PROMPT]), cached = wire_count(v[CACHED]);
    u->is_known = true;
    u->tokens[PRICE_CACHE_READ] = cached;
    u->tokens[PRICE_INPUT] = (prompt > cached ? prompt - cached : 0) + wire_count(v[TOOLS]);
    u->tokens[PRICE_OUTPUT] = wire_count(v[CANDIDATES]);
    u->tokens[PRICE_REASONING] = wire_count(v[THOUGHTS]);
}

static bool has_content(struct str parts)
{
    for (struct json_walk w = json_walk(parts); json_type(parts) == JSON_ARRAY && json_next(&w);) {
        struct str text = json_get(w.value, "text");
        if (text.p == NULL || text.len > 2)
            return true;
    }
    return false;
}

enum { CANDIDATES, USAGE, FEEDBACK, ERROR, EMBEDDINGS, COUNT };
static const struct str NAMES[COUNT] = {
    STR("candidates"), STR("usageMetadata"), STR("promptFeedback"), STR("error"),
    STR("embeddings")};

static struct frame read_frame(struct str name, struct str data, struct usage *usage, struct err *err)
{
    struct frame f = {.kind = FRAME_BAD};
    struct str v[COUNT];
    (void)name;
    if (!wire_members(data, NAMES, v, COUNT, err))
        return f;
    if (json_type(v[ERROR]) == JSON_OBJECT) {
        wire_error_in_200(v[ERROR], err);
        f.kind = FRAME_ERROR;
        return f;
    }
    read_usage(v[USAGE], usage);
    f.kind = FRAME_LIFECYCLE;
    f.is_finish = json_type(json_get(v[FEEDBACK], "blockReason")) == JSON_STRING;
    bool is_content = f.is_finish;
    for (struct json_walk w = json_walk(v[CANDIDATES]); json_type(v[CANDIDATES]) == JSON_ARRAY && json_next(&w);) {
        f.is_finish = f.is_finish || json_type(json_get(w.value, "finishReason")) == JSON_STRING;
        is_content = is_content || f.is_finish || has_content(json_get(json_get(w.value, "content"), "parts"));
    }
    if (is_content)
        f.kind = FRAME_CONTENT;
    return f;
}

static int read_reply(struct str body, struct usage *usage, struct err *err)
{
    struct str v[COUNT];
    if (!wire_members(body, NAMES, v, COUNT, err))
        return -1;
    if (json_type(v[ERROR]) == JSON_OBJECT) {
        wire_error_in_200(v[ERROR], err);
        return -1;
    }
    if (json_type(v[CANDIDATES]) != JSON_ARRAY && json_type(v[FEEDBACK]) != JSON_OBJECT && json_type(v[EMBEDDINGS]) != JSON_ARRAY)
        return err_set(err, ERR_MALFORMED, "the provider's answer has no `candidates`");
    read_usage(v[USAGE], usage);
    return 0;
}

const struct wire WIRE_GEMINI = {"gemini", read_frame, read_reply};
