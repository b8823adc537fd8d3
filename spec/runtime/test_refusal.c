/* An error in each client's protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "serve/refusal.h"

static void check(enum protocol protocol, bool is_frame, const char *expected)
{
    struct buf out = BUF(4096);
    struct refusal r = {400, "model_not_found", "messages.0.role", "id1", str_of("a \"b\"")};
    (is_frame ? refusal_write_frame : refusal_write)(&out, protocol, &r);
    assert_string_equal(out.p, expected);
    buf_clear(&out);
}

static void test_shapes(void **state)
{
    (void)state;
    const char *openai = "{\"error\":{\"message\":\"a \\\"b\\\"\",\"type\":\"invalid_request_error\",\"param\":\"messages.0.role\","
                         "\"code\":\"model_not_found\"}}";
    check(PROTOCOL_CHAT, false, openai);
    check(PROTOCOL_RESPONSES, false, openai);
    check(PROTOCOL_EMBEDDINGS, false, openai);
    check(PROTOCOL_MESSAGES, false,
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"messages.0.role: a \\\"b\\\"\"},\"request_id\":\"id1\"}");
    check(PROTOCOL_RESPONSES, true,
          "event: error\ndata: {\"type\":\"error\",\"sequence_number\":0,\"code\":\"model_not_found\",\"message\":\"a \\\"b\\\"\",\"param\":null}\n\n");
}

static void test_types(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *type;
    } CASES[] = {{401, "authentication_error"}, {404, "not_found_error"}, {413, "request_too_large"}, {429, "rate_limit_error"},
                 {500, "api_error"},            {503, "overloaded_error"}, {529, "overloaded_error"}, {504, "timeout_error"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct buf out = BUF(4096);
        refusal_write(&out, PROTOCOL_MESSAGES, &(struct refusal){.status = CASES[i].status, .words = str_of("w")});
        assert_true(str_eq(json_plain(json_pointer(buf_str(&out), "/error/type")), CASES[i].type));
        buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
