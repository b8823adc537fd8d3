/* The wire of OpenAI's responses. */
#include "base/json.h"
#include "serve/wire.h"

static int64_t less(int64_t whole, int64_t part)
{
    return whole > part ? whole - part : 0;
}

static void read_usage(struct str json, struct usage *u)
{
    enum { INPUT, OUTPUT, INPUT_DETAILS, OUTPUT_DETAILS, COUNT };
    static const struct str NAMES[COUNT] = {
        STR("input_tokens"), STR("output_tokens"), STR("input_tokens_details"),
        STR("output_tokens_details")};
    struct str v[COUNT];
    if (json_type(json) != JSON_OBJECT)
        return;
    json_get_many(json, NAMES, v, COUNT);
    u->is_known = true;
    u->tokens[PRICE_CACHE_READ] = wire_count(json_get(v[INPUT_DETAILS], "cached_tokens"));
    u->tokens[PRICE_REASONING] = wire_count(json_get(v[OUTPUT_DETAILS], "reasoning_tokens"));
    u->tokens[PRICE_INPUT] = less(wire_count(v[INPUT]), u->tokens[PRICE_CACHE_READ]);
    u->tokens[PRICE_OUTPUT] = less(wire_count(v[OUTPUT]), u->tokens[PRICE_REASONING]);
}

static bool ends_with(struct str s, const char *end)
{
    size_t n = strlen(end);
    return s.len >= n && memcmp(s.p + s.len - n, end, n) == 0;
}

/* `response.failed` carries its error inside, `error` is one itself or has one. */
static void read_error(struct str data, struct str response, struct str error, struct err *err)
{
    struct str inside = json_get(response, "error");
    wire_error_in_200(json_type(inside) == JSON_OBJECT ? inside : json_type(error) == JSON_OBJECT ? error : data, err);
}

static struct frame read_frame(struct str name, struct str data, struct usage *usage, struct err *err)
{
    static const struct str NAMES[] = {STR("type"), STR("response"), STR("error")};
    struct frame f = {.kind = FRAME_BAD};
    struct str v[3];
    if (str_eq(data, "[DONE]"))
        return (struct frame){.kind = FRAME_LIFECYCLE, .is_last = true};
    if (!wire_members(data, NAMES, v, 3, err))
        return f;
    struct str type = json_type(v[0]) == JSON_STRING ? json_plain(v[0]) : name;
    f.kind = FRAME_LIFECYCLE;
    if (str_eq(type, "error") || str_eq(type, "response.failed")) {
        read_error(data, v[1], v[2], err);
        f.kind = FRAME_ERROR;
    } else if (str_eq(type, "response.completed") || str_eq(type, "response.incomplete")) {
        read_usage(json_get(v[1], "usage"), usage);
        f.kind = FRAME_CONTENT;
        f.is_finish = f.is_last = true;
    } else if (ends_with(type, ".delta") || ends_with(type, ".done")) {
        f.kind = FRAME_CONTENT;
    }
    return f;
}

static int read_reply(struct str body, struct usage *usage, struct err *err)
{
    static const struct str NAMES[] = {STR("output"), STR("usage"), STR("error"), STR("status")};
    struct str v[4];
    if (!wire_members(body, NAMES, v, 4, err))
        return -1;
    if (json_type(v[2]) == JSON_OBJECT) {
        wire_error_in_200(v[2], err);
        return -1;
    }
    if (json_type(v[0]) != JSON_ARRAY)
        return err_set(err, ERR_MALFORMED, "the provider's answer is no response: it has no `output`");
    read_usage(v[1], usage);
    return 0;
}

const struct wire WIRE_RESPONSES = {"responses", read_frame, read_reply};
