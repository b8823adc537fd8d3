/* What answers say, in each protocol, streamed and not, and how like two of them are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "serve/said.h"

static struct arena arena = ARENA(1 << 20);

static void assert_says(enum protocol protocol, bool is_stream, const char *reply, const char *expected)
{
    struct str said = said_read(protocol, is_stream, str_of(reply), &arena);
    if (expected == NULL) {
        assert_null(said.p);
        return;
    }
    if (said.p == NULL || !str_eq(said, expected))
        fail_msg("'%.*s' instead of '%s'", STR_ARG(said), expected);
}

static const struct {
    enum protocol protocol;
    bool is_stream;
    const char *reply, *expected;
} CASES[] = {
    {PROTOCOL_CHAT, false, "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"a \\u00e9\"}}]}", "a \xc3\xa9"},
    {PROTOCOL_CHAT, false,
     "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{ \\\"a b\\\": \\\"x  \\\\\\\" y\\\" }\"}}]}}]}",
     "\nf {\"a b\":\"x  \\\" y\"}"},
    {PROTOCOL_CHAT, true,
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\" b\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
     "a b"},
    {PROTOCOL_CHAT, true,
     "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n"
     "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a b\\\": \\\"x \"}}]}}]}\n\n"
     "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\" \\\\\\\" y\\\"}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
     "\nf {\"a b\":\"x  \\\" y\"}"},
    {PROTOCOL_CHAT, true, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", NULL}, /* cut */
    {PROTOCOL_CHAT, false, "{\"choices\":[{\"message\":{\"content\":\"\"}}]}", NULL},
    {PROTOCOL_CHAT, false, "{\"choices\":[", NULL},
    {PROTOCOL_CHAT, false, "", NULL},
    {PROTOCOL_CHAT, false, "[1]", NULL},
    {PROTOCOL_MESSAGES, false,
     "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{\"a\": 1}}]}", "a\nf {\"a\":1}"},
    {PROTOCOL_MESSAGES, true,
     "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
     "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n"
     "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{}}}\n\n"
     "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\": 1}\"}}\n\n"
     "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
     "a\nf {\"a\":1}"},
    {PROTOCOL_RESPONSES, false,
     "{\"output\":[{\"type\":\"reasoning\"},{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]},{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}]}",
     "a\nf {\"a\":1}"},
    {PROTOCOL_RESPONSES, true,
     "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n"
     "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]}]}}\n\n",
     "a"},
    {PROTOCOL_EMBEDDINGS, false, "{\"data\":[]}", NULL},
};

static void test_reading(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_says(CASES[i].protocol, CASES[i].is_stream, CASES[i].reply, CASES[i].expected);
    arena_clear(&arena);
}

static void assert_like(const char *a, const char *b, bool is_exact, bool is_alike, double overlap)
{
    struct likeness l = said_likeness(str_of(a), str_of(b), &arena);
    if (l.is_exact != is_exact || l.is_alike != is_alike || fabs(l.overlap - overlap) > 1e-12)
        fail_msg("'%s' and '%s': %d %d %g", a, b, l.is_exact, l.is_alike, l.overlap);
}

static void test_likeness(void **state)
{
    (void)state;
    assert_like("The answer is 4.", "The answer is 4.", true, true, 1);
    assert_like("The answer is 4.", "the ANSWER,\n is: 4", false, true, 1);
    assert_like("a b", "b a", false, false, 1);
    assert_like("a a a b", "a c", false, false, 2.0 * 1 / 6);
    assert_like("a", "b", false, false, 0);
    assert_like("!", "?", false, false, 0);
    assert_like("", "a", false, false, 0);
    assert_like("\xc3\xa9t\xc3\xa9 ici", "\xc3\xa9t\xc3\xa9", false, false, 2.0 * 1 / 3);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading), cmocka_unit_test(test_likeness)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
