/* The OpenAI wire as the router reads and writes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "serve/chat.h"
#include "serve/usage.h"

static enum err_kind kind_of(int status, const char *body)
{
    struct err err = {0};
    chat_error(status, str_of(body), &err);
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
    chat_error(429, str_of("{\"error\":{\"message\":\"slow \\\"down\\\"\",\"code\":null}}"), &err);
    assert_string_equal(err.message, "the provider answered 429: slow \"down\"");
    chat_error(500, str_of("<html>oops"), &err);
    assert_string_equal(err.message, "the provider answered 500");
    chat_error(400, str_of("{\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}"), &err);
    assert_int_equal(err.kind, ERR_CONTENT_FILTER);
}

static void test_stream_errors(void **state)
{
    (void)state;
    struct err err = {0};
    chat_stream_error(str_of("{\"type\":\"overloaded_error\",\"message\":\"busy\"}"), &err);
    assert_int_equal(err.kind, ERR_OVERLOADED);
    chat_stream_error(str_of("{\"code\":429,\"message\":\"busy\"}"), &err);
    assert_int_equal(err.kind, ERR_RATE_LIMIT);
    chat_stream_error(str_of("{\"code\":\"insufficient_quota\"}"), &err);
    assert_int_equal(err.kind, ERR_RATE_LIMIT);
    chat_stream_error(str_of("{\"message\":\"?\"}"), &err);
    assert_int_equal(err.kind, ERR_SERVER_ERROR);
}

static enum chat_chunk_kind chunk_kind(const char *data)
{
    return chat_chunk(str_of(data)).kind;
}

/* Role-only chunks and Azure's empty first one are not content; text, tools, reasoning and an end are. */
static void test_chunks(void **state)
{
    (void)state;
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"), CHUNK_LIFECYCLE);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]}}]}"),
                     CHUNK_LIFECYCLE);
    assert_int_equal(chunk_kind("{\"choices\":[],\"prompt_filter_results\":[]}"), CHUNK_LIFECYCLE);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"), CHUNK_CONTENT);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"reasoning_content\":\"a\"}}]}"), CHUNK_CONTENT);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}"), CHUNK_CONTENT);
    assert_int_equal(chunk_kind("{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"), CHUNK_CONTENT);
    assert_int_equal(chunk_kind("{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"), CHUNK_USAGE);
    assert_int_equal(chunk_kind("{\"error\":{\"message\":\"x\"}}"), CHUNK_ERROR);
    assert_int_equal(chunk_kind("{\"choices\":"), CHUNK_BAD);
    assert_int_equal(chunk_kind("[]"), CHUNK_BAD);
    assert_true(chat_chunk(str_of("{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}")).is_finish);
    assert_true(chat_chunk(str_of("{\"choices\":[],\"usage\":null}")).has_null_usage);
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
    u = usage_read(str_of("{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":9}}"));
    assert_int_equal(u.tokens[PRICE_INPUT], 0);
}

static void test_completion(void **state)
{
    (void)state;
    struct usage u;
    struct err err = {0};
    assert_int_equal(chat_completion(str_of("{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"), &u, &err), 0);
    assert_int_equal(u.tokens[PRICE_INPUT], 1);
    assert_int_equal(chat_completion(str_of("{\"choices\":"), &u, &err), -1);
    assert_int_equal(err.kind, ERR_MALFORMED);
    assert_int_equal(chat_completion(str_of("{\"id\":1}"), &u, &err), -1);
    assert_int_equal(err.kind, ERR_MALFORMED);
    assert_int_equal(chat_completion(str_of("{\"error\":{\"code\":503}}"), &u, &err), -1);
    assert_int_equal(err.kind, ERR_OVERLOADED);
}

/* A held completion becomes a stream: deltas carry the message, tool calls get their index, every frame is JSON. */
static void test_write_stream(void **state)
{
    (void)state;
    const char *completion =
        "{\"id\":\"c1\",\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":null,\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\"},{}]},\"finish_reason\":\"tool_calls\"}],"
        "\"usage\":{\"prompt_tokens\":1}}";
    struct buf out = BUF(1 << 16);
    chat_write_stream(&out, str_of(completion), true);
    const char *expected =
        "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,"
        "\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"type\":\"function\"},"
        "{\"index\":1}]},\"finish_reason\":null}]}\n\n"
        "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,"
        "\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
        "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"choices\":[],"
        "\"usage\":{\"prompt_tokens\":1}}\n\n"
        "data: [DONE]\n\n";
    assert_string_equal(out.p, expected);
    buf_clear(&out);
}

static void test_write_error(void **state)
{
    (void)state;
    struct buf out = BUF(4096);
    chat_write_error(&out, "invalid_request_error", str_of("a \"b\""), NULL, "model_not_found");
    assert_string_equal(out.p, "{\"error\":{\"message\":\"a \\\"b\\\"\",\"type\":\"invalid_request_error\",\"param\":null,"
                               "\"code\":\"model_not_found\"}}");
    assert_int_equal(json_validate(buf_str(&out), NULL), 0);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_kinds), cmocka_unit_test(test_error_words), cmocka_unit_test(test_stream_errors),
        cmocka_unit_test(test_chunks),       cmocka_unit_test(test_usage),       cmocka_unit_test(test_completion),
        cmocka_unit_test(test_write_stream), cmocka_unit_test(test_write_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
