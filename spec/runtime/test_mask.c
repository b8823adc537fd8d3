/* Masks: what they name is gone, everything else is byte for byte as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/mask.h"

static void masked(const char *json, const char *const *masks, int count, const char *expected, int replaced)
{
    struct buf out = BUF(4096);
    bool used[MASK_MOST] = {false};
    assert_int_equal(mask_json(&out, str_of(json), masks, count, used), replaced);
    assert_string_equal(out.p, expected);
    buf_clear(&out);
}

static void test_any_member(void **state)
{
    (void)state;
    const char *masks[] = {"/messages/*/content", "/user"};
    masked("{ \"messages\": [ {\"role\":\"user\",\"content\": \"a\\\"b\" }, {\"content\":[{\"text\":\"x\"}],\"role\":\"user\"} ],\n\"user\":\"u\", \"n\":1}",
           masks, 2,
           "{ \"messages\": [ {\"role\":\"user\",\"content\": \"[masked]\" }, {\"content\":[],\"role\":\"user\"} ],\n\"user\":\"[masked]\", \"n\":1}",
           3);
}

static void test_kinds_repeats_and_escapes(void **state)
{
    (void)state;
    const char *masks[] = {"/a~1b/*", "/k", "/list/1", "/list/7", "/absent/deep"};
    masked("{\"a\\/b\":{\"x\":1,\"y\":true,\"z\":null,\"o\":{\"p\":1}},\"k\":\"1\",\"k\":\"2\",\"list\":[\"0\",\"1\",\"2\"]}", masks, 5,
           "{\"a\\/b\":{\"x\":0,\"y\":false,\"z\":null,\"o\":{}},\"k\":\"[masked]\",\"k\":\"[masked]\",\"list\":[\"0\",\"[masked]\",\"2\"]}", 7);
}

static void test_nothing_to_mask(void **state)
{
    (void)state;
    const char *masks[] = {"/messages/*/content"};
    masked("\"text\"", masks, 1, "\"text\"", 0);
    masked(" {\"messages\":\"x\"} ", masks, 1, " {\"messages\":\"x\"} ", 0);
}

static void test_events(void **state)
{
    (void)state;
    const char *masks[] = {"/choices/*/delta/content"};
    struct buf out = BUF(4096);
    bool used[1] = {false};
    const char *events = "event: x\ndata: {\"choices\":[{\"delta\":{\"content\":\"secret\"}}]}\n\ndata: secret\n\nsecret\n"
                         "data:[DONE]\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"sec";
    assert_true(mask_events(&out, str_of(events), masks, 1, used) > 0);
    assert_string_equal(out.p, "event: x\ndata: {\"choices\":[{\"delta\":{\"content\":\"[masked]\"}}]}\n\n\n\n\ndata:[DONE]\n\n");
    buf_clear(&out);
}

static void test_ceiling(void **state)
{
    (void)state;
    const char *masks[] = {"/a"};
    bool used[1] = {false};
    struct buf out = BUF(8);
    assert_int_equal(mask_json(&out, str_of("{\"a\":\"\",\"b\":12345}"), masks, 1, used), -1);
    buf_clear(&out);
}

static void test_which_were_used(void **state)
{
    (void)state;
    const char *masks[] = {"/a/*/b", "/a/0", "/c", "/a/*/d"};
    bool used[4] = {false};
    struct buf out = BUF(100);
    assert_int_equal(mask_json(&out, str_of("{\"a\":[1,{\"b\":2}]}"), masks, 4, used), 2);
    assert_true(used[0] && used[1] && !used[2] && !used[3]);
    buf_clear(&out);
}

static void test_touches(void **state)
{
    (void)state;
    assert_true(mask_touches("/messages/*/content", "messages"));
    assert_true(mask_touches("/*", "user"));
    assert_true(mask_touches("/a~1b/c", "a/b"));
    assert_false(mask_touches("/messages/*/content", "tools"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_member), cmocka_unit_test(test_kinds_repeats_and_escapes), cmocka_unit_test(test_nothing_to_mask),
        cmocka_unit_test(test_events),     cmocka_unit_test(test_ceiling),                   cmocka_unit_test(test_which_were_used),
        cmocka_unit_test(test_touches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
