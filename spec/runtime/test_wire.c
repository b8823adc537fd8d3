/* Providers' wires as the router reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/usage.h"
#include "serve/wire.h"

static enum err_kind kind_of(int status, const char *body)
{
    struct err err = {0};
    wire_error(status, str_of(body), &err);
    return err.kind;
}

static void test_status_kinds(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum err_kind kind;
    } CASES[] = {{429, ERR_RATE_LIMIT}, {503, ERR_OVERLOADED}, {529, ERR_OVERLOADED},   {500, ERR_SERVER_ERROR},
                 {502, ERR_SERVER_ERROR}, {401, ERR_AUTH},     {403, ERR_AUTH},         {400, ERR_BAD_REQUEST},
                 {404, ERR_BAD_REQUEST},  {413, ERR_BAD_REQUEST}, {422, ERR_BAD_REQUEST}, {302, ERR_MALFORMED}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_int_equal(kind_of(CASES[i].status, "{}"), CASES[i].kind);
}

static void test_error_words(void **state)
{
    (void)state;
    struct err err = {0};
    wire_error(429, str_of("{\"error\":{\"message\":\"slow \\\"down\\\"\",\"code\":null}}"), &err);
    assert_string_equal(err.message, "the provider answered 429: slow \"down\"");
    wire_error(500, str_of("<html>oops"), &err);
    assert_string_equal(err.message, "the provider answered 500");
    wire_error(400, str_of("{\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}"), &err);
    assert_int_equal(err.kind, ERR_CONTENT_FILTER);
}

static void test_stream_errors(void **state)
{
    (void)state;
    struct err err = {0};
    wire_error_in_200(str_of("{\"type\":\"overloaded_error\",\"message\":\"busy\"}"), &err);
    assert_int_equal(err.kind, ERR_OVERLOADED);
    wire_error_in_200(str_of("{\"code\":429,\"message\":\"busy\"}"), &err);
    assert_int_equal(err.kind, ERR_RATE_LIMIT);
    wire_error_in_200(str_of("{\"code\":\"insufficient_quota\"}"), &err);
    assert_int_equal(err.kind, ERR_RATE_LIMIT);
    wire_error_in_200(str_of("{\"message\":\"?\"}"), &err);
    assert_int_equal(err.kind, ERR_SERVER_ERROR);
}

static struct frame frame_of(const struct wire *wire, const char *name, const char *data, struct usage *usage)
{
    struct err err = {0};
    struct frame f = wire->frame(str_of(name), str_of(data), usage, &err);
    assert_int_equal(err.kind != ERR_NONE, f.kind == FRAME_ERROR || f.kind == FRAME_BAD);
    return f;
}

static enum frame_kind chunk_kind(const char *data)
{
    struct usage usage = {0};
    return frame_of(&WIRE_CHAT, NULL, data, &usage).kind;
}

/* Role-only chunks and Azure's empty first one are not content; text, tools, reasoning and an end are. */
static void test_chunks(void **state)
{
    (void)state;
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"), FRAME_LIFECYCLE);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]}}]}"),
                     FRAME_LIFECYCLE);
    assert_int_equal(chunk_kind("{\"choices\":[],\"prompt_filter_results\":[]}"), FRAME_LIFECYCLE);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"), FRAME_CONTENT);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"reasoning_content\":\"a\"}}]}"), FRAME_CONTENT);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}"), FRAME_CONTENT);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"), FRAME_CONTENT);
    assert_int_equal(chunk_kind("{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"), FRAME_USAGE);
    assert_int_equal(chunk_kind("{\"error\":{\"message\":\"x\"}}"), FRAME_ERROR);
    assert_int_equal(chunk_kind("{\"choices\":"), FRAME_BAD);
    assert_int_equal(chunk_kind("[]"), FRAME_BAD);
    struct usage usage = {0};
    assert_true(frame_of(&WIRE_CHAT, NULL, "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}", &usage).is_finish);
    assert_true(frame_of(&WIRE_CHAT, NULL, "{\"choices\":[],\"usage\":null}", &usage).has_null_usage);
    assert_true(frame_of(&WIRE_CHAT, NULL, "[DONE]", &usage).is_last);
}

/* Cached tokens lie inside prompt_tokens, reasoning inside completion_tokens: the buckets are disjoint. */
static void test_usage(void **state)
{
    (void)state;
    struct usage u = usage_read(str_of("{\"prompt_tokens\":100,\"completion_tokens\":50,\"prompt_tokens_details\":"
                                       "{\"cached_tokens\":40},\"completion_tokens_details\":{\"reasoning_tokens\":20}}"));
    assert_true(u.is_known);
    assert_int_equal(u.tokens[PRICE_INPUT], 60);
    assert_int_equal(u.tokens[PRICE_CACHE_READ], 40);
    assert_int_equal(u.tokens[PRICE_OUTPUT], 30);
    assert_int_equal(u.tokens[PRICE_REASONING], 20);
    struct model m = {.has_price = true, .price = {1, 0.1, 1, 2, 2}};
    assert_true(usage_usd(&u, &m) > 0.000163999 && usage_usd(&u, &m) < 0.000164001);
    assert_false(usage_read(str_of("null")).is_known);
    u = usage_read(str_of("{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":40,\"prompt_cache_hit_tokens\":4,"
                          "\"completion_tokens_details\":{\"reasoning_tokens\":25}}"));
    assert_int_equal(u.tokens[PRICE_INPUT], 6);
    assert_int_equal(u.tokens[PRICE_CACHE_READ], 4);
    assert_int_equal(u.tokens[PRICE_OUTPUT], 5); /* reasoning stood beside the completion */
    assert_int_equal(u.tokens[PRICE_REASONING], 25);
    u = usage_read(str_of("{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":9}}"));
    assert_int_equal(u.tokens[PRICE_INPUT], 0);
}

static void test_completion(void **state)
{
    (void)state;
    struct usage u;
    struct err err = {0};
    assert_int_equal(WIRE_CHAT.reply(str_of("{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"), &u, &err), 0);
    assert_int_equal(u.tokens[PRICE_INPUT], 1);
    assert_int_equal(WIRE_CHAT.reply(str_of("{\"choices\":"), &u, &err), -1);
    assert_int_equal(err.kind, ERR_MALFORMED);
    assert_int_equal(WIRE_CHAT.reply(str_of("{\"id\":1}"), &u, &err), -1);
    assert_int_equal(err.kind, ERR_MALFORMED);
    assert_int_equal(WIRE_CHAT.reply(str_of("{\"error\":{\"code\":503}}"), &u, &err), -1);
    assert_int_equal(err.kind, ERR_OVERLOADED);
}


static void check_usage(const struct usage *u, int input, int read, int write, int output, int reasoning)
{
    int wanted[PRICE_BUCKETS] = {[PRICE_INPUT] = input, [PRICE_CACHE_READ] = read, [PRICE_CACHE_WRITE] = write,
                                 [PRICE_OUTPUT] = output, [PRICE_REASONING] = reasoning};
    assert_true(u->is_known);
    for (int i = 0; i < PRICE_BUCKETS; i++)
        assert_int_equal(u->tokens[i], wanted[i]);
}

/* What a stream's frames are, one after another; the usage adds up. */
struct step {
    const char *name, *data;
    enum frame_kind kind;
    bool is_finish, is_last;
};

static struct usage run(const struct wire *wire, const struct step *steps, size_t count)
{
    struct usage usage = {0};
    for (size_t i = 0; i < count; i++) {
        struct frame f = frame_of(wire, steps[i].name, steps[i].data, &usage);
        assert_int_equal(f.kind, steps[i].kind);
        assert_int_equal(f.is_finish, steps[i].is_finish);
        assert_int_equal(f.is_last, steps[i].is_last);
    }
    return usage;
}
#define RUN(wire, steps) run(wire, steps, sizeof(steps) / sizeof *(steps))

static void test_messages(void **state)
{
    (void)state;
    static const struct step STEPS[] = {
        {"message_start", "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"cache_read_input_tokens\":4,"
                          "\"cache_creation_input_tokens\":2,\"output_tokens\":1}}}", FRAME_LIFECYCLE, false, false},
        {"ping", "{\"type\":\"ping\"}", FRAME_LIFECYCLE, false, false},
        {NULL, "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}", FRAME_LIFECYCLE, false, false},
        {NULL, "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"\"}}", FRAME_LIFECYCLE, false, false},
        {NULL, "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}", FRAME_CONTENT, false, false},
        {NULL, "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\"}}", FRAME_CONTENT, false, false},
        {NULL, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}", FRAME_CONTENT, true, false},
        {NULL, "{\"type\":\"message_stop\"}", FRAME_LIFECYCLE, false, true},
    };
    struct usage u = RUN(&WIRE_MESSAGES, STEPS);
    check_usage(&u, 9, 4, 2, 7, 0);
    struct err err = {0};
    WIRE_MESSAGES.frame(str_of("error"), str_of("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}"), &u, &err);
    assert_int_equal(err.kind, ERR_OVERLOADED);
    u = (struct usage){0};
    assert_int_equal(WIRE_MESSAGES.reply(str_of("{\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}"), &u, &err), 0);
    check_usage(&u, 3, 0, 0, 2, 0);
    assert_int_equal(WIRE_MESSAGES.reply(str_of("{\"choices\":[]}"), &u, &err), -1);
}

static void test_responses(void **state)
{
    (void)state;
    static const struct step STEPS[] = {
        {"response.created", "{\"type\":\"response.created\",\"response\":{}}", FRAME_LIFECYCLE, false, false},
        {NULL, "{\"type\":\"response.output_item.added\",\"item\":{}}", FRAME_LIFECYCLE, false, false},
        {NULL, "{\"type\":\"response.output_text.delta\",\"delta\":\"a\"}", FRAME_CONTENT, false, false},
        {NULL, "{\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":4},"
               "\"output_tokens\":9,\"output_tokens_details\":{\"reasoning_tokens\":5}}}}", FRAME_CONTENT, true, true},
    };
    struct usage u = RUN(&WIRE_RESPONSES, STEPS);
    check_usage(&u, 6, 4, 0, 4, 5);
    struct err err = {0};
    WIRE_RESPONSES.frame(str_of(NULL), str_of("{\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}}}"), &u, &err);
    assert_int_equal(err.kind, ERR_RATE_LIMIT);
    WIRE_RESPONSES.frame(str_of("error"), str_of("{\"type\":\"error\",\"code\":\"insufficient_quota\",\"message\":\"m\"}"), &u, &err);
    assert_int_equal(err.kind, ERR_RATE_LIMIT);
}

static void test_gemini(void **state)
{
    (void)state;
    static const struct step STEPS[] = {
        {NULL, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]}}]}", FRAME_LIFECYCLE, false, false},
        {NULL, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"promptTokenCount\":4}}", FRAME_CONTENT, false, false},
        {NULL, "{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":10,\"cachedContentTokenCount\":3,"
               "\"candidatesTokenCount\":5,\"thoughtsTokenCount\":2}}", FRAME_CONTENT, true, false},
    };
    struct usage u = RUN(&WIRE_GEMINI, STEPS);
    check_usage(&u, 7, 3, 0, 5, 2);
    struct err err = {0};
    WIRE_GEMINI.frame(str_of(NULL), str_of("{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}"), &u, &err);
    assert_int_equal(err.kind, ERR_OVERLOADED);
    wire_error(400, str_of("[{\"error\":{\"message\":\"bad key\",\"details\":[{\"reason\":\"API_KEY_INVALID\"}]}}]"), &err);
    assert_int_equal(err.kind, ERR_AUTH);
    assert_string_equal(err.message, "the provider answered 400: bad key");
}

static void test_bedrock(void **state)
{
    (void)state;
    static const struct step STEPS[] = {
        {"messageStart", "{\"role\":\"assistant\"}", FRAME_LIFECYCLE, false, false},
        {"contentBlockStart", "{\"start\":{\"toolUse\":{\"name\":\"f\"}}}", FRAME_CONTENT, false, false},
        {"contentBlockDelta", "{\"delta\":{\"text\":\"a\"}}", FRAME_CONTENT, false, false},
        {"messageStop", "{\"stopReason\":\"end_turn\"}", FRAME_CONTENT, true, false},
        {"metadata", "{\"usage\":{\"inputTokens\":5,\"outputTokens\":6,\"cacheReadInputTokens\":1}}", FRAME_USAGE, false, true},
    };
    struct usage u = RUN(&WIRE_BEDROCK, STEPS);
    check_usage(&u, 5, 1, 0, 6, 0);
    struct err err = {0};
    WIRE_BEDROCK.frame(str_of("throttlingException"), str_of("{\"message\":\"slow down\"}"), &u, &err);
    assert_int_equal(err.kind, ERR_RATE_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_kinds), cmocka_unit_test(test_error_words), cmocka_unit_test(test_stream_errors),
        cmocka_unit_test(test_chunks),       cmocka_unit_test(test_usage),       cmocka_unit_test(test_completion),
        cmocka_unit_test(test_messages),     cmocka_unit_test(test_responses),   cmocka_unit_test(test_gemini),
        cmocka_unit_test(test_bedrock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
