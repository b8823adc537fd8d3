/* model:with in the names of other protocols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/adapt.h"

static struct arena arena = ARENA(1 << 16);

static struct str value_of(const struct json_edit *edits, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(edits[i].name, name) == 0)
            return edits[i].value;
    fail_msg("no edit of %s", name);
    return str_of("");
}

static const struct derived DERIVED = {
    .system = {"\"brief\"", 7},
    .edits = {{"temperature", {"1.5", 3}}, {"max_tokens", {"9", 1}}, {"max_completion_tokens", {NULL, 0}}, {"stop", {"\"x\"", 3}},
              {"tools", {NULL, 0}}, {"functions", {NULL, 0}}, {"seed", {"7", 1}}, {"reasoning_effort", {"\"low\"", 5}}},
    .edit_count = 8,
};

static void test_messages(void **state)
{
    (void)state;
    struct json_edit edits[ADAPTED_EDITS];
    int count = adapt_edits(&DERIVED, PROTOCOL_MESSAGES, &arena, edits);
    assert_int_equal(count, 5);
    assert_true(str_eq(value_of(edits, count, "temperature"), "1"));
    assert_true(str_eq(value_of(edits, count, "max_tokens"), "9"));
    assert_true(str_eq(value_of(edits, count, "stop_sequences"), "[\"x\"]"));
    assert_true(str_eq(value_of(edits, count, "system"), "\"brief\""));
    assert_null(value_of(edits, count, "tools").p);
}

static void test_responses(void **state)
{
    (void)state;
    struct json_edit edits[ADAPTED_EDITS];
    int count = adapt_edits(&DERIVED, PROTOCOL_RESPONSES, &arena, edits);
    assert_int_equal(count, 5);
    assert_true(str_eq(value_of(edits, count, "temperature"), "1.5"));
    assert_true(str_eq(value_of(edits, count, "max_output_tokens"), "9"));
    assert_true(str_eq(value_of(edits, count, "reasoning"), "{\"effort\":\"low\"}"));
    assert_true(str_eq(value_of(edits, count, "instructions"), "\"brief\""));
    assert_null(value_of(edits, count, "tools").p);
    assert_int_equal(adapt_edits(&DERIVED, PROTOCOL_EMBEDDINGS, &arena, edits), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages), cmocka_unit_test(test_responses)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_clear(&arena);
    return failed;
}
