/* What routes see of a request: found in raw bytes, wrong bodies refused with the field's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bind/view.h"

static struct arena arena = ARENA(1 << 20);

static struct view view_of(const char *body, const struct http_head *head)
{
    struct view v;
    struct err err = {0};
    const char *param;
    assert_int_equal(view_init(&v, PROTOCOL_CHAT, "id", head, str_of(body), &arena, &param, &err), 0);
    return v;
}

static void test_fields(void **state)
{
    (void)state;
    struct http_head head = {0};
    struct view v = view_of("{\"model\":\"auto\",\"stream\":true,\"user\":\"u\\u00e91\",\"prompt_cache_key\":\"k\","
                            "\"stream_options\":{\"include_usage\":true},\"messages\":["
                            "{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"first\"},"
                            "{\"role\":\"assistant\",\"content\":\"ok\"},"
                            "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\\nhere\"},"
                            "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:\"}},{\"type\":\"text\",\"text\":\"now\"}]}]}",
                            &head);
    assert_true(v.stream);
    assert_true(v.wants_usage);
    assert_true(str_eq(v.model, "auto"));
    assert_true(str_eq(view_prompt(&v), "look\nhere\nnow"));
    assert_true(v.has_image);
    assert_true(str_eq(view_user(&v), "ué1"));
    assert_true(str_eq(view_conversation(&v), "k"));
    assert_true(v.tokens > 765 && v.tokens < 800);
}

static void test_headers_stand_in(void **state)
{
    (void)state;
    struct http_head head = {.count = 2,
                             .fields = {{{"X-Wye-User", 10}, {"u7", 2}}, {{"x-wye-conversation", 18}, {"c9", 2}}}};
    struct view v = view_of("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &head);
    assert_true(str_eq(view_user(&v), "u7"));
    assert_true(str_eq(view_conversation(&v), "c9"));
    assert_false(v.has_image);
}

static void refused(const char *body, const char *param, const char *words)
{
    struct http_head head = {0};
    struct view v;
    struct err err = {0};
    const char *at;
    assert_int_equal(view_init(&v, PROTOCOL_CHAT, "id", &head, str_of(body), &arena, &at, &err), -1);
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
    if (param)
        assert_string_equal(at, param);
    else
        assert_null(at);
    assert_non_null(strstr(err.message, words));
}

static void test_refusals(void **state)
{
    (void)state;
    refused("", NULL, "not valid JSON");
    refused("{\"model\":", NULL, "not valid JSON");
    refused("[]", NULL, "must be a JSON object");
    refused("{\"messages\":[]}", "model", "must provide a model");
    refused("{\"model\":7,\"messages\":[]}", "model", "expected a string");
    refused("{\"model\":\"a\"}", "messages", "Missing required parameter");
    refused("{\"model\":\"a\",\"messages\":{}}", "messages", "expected an array");
    refused("{\"model\":\"a\",\"messages\":[]}", "messages", "at least one");
    refused("{\"model\":\"a\",\"messages\":[{\"role\":\"user\"},7]}", "messages[1]", "messages[1]");
    refused("{\"model\":\"a\",\"messages\":[{\"content\":\"x\"}]}", "messages[0]", "role");
    refused("{\"model\":\"a\",\"stream\":1,\"messages\":[{\"role\":\"user\"}]}", "stream", "boolean");
    refused("{\"model\":\"a\",\"tools\":{},\"messages\":[{\"role\":\"user\"}]}", "tools", "array");
}

static int clear(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_fields, clear),
        cmocka_unit_test_teardown(test_headers_stand_in, clear),
        cmocka_unit_test_teardown(test_refusals, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
