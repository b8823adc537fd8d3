/* The JSON scanner: the third-party suite, each function, and splices checked against a walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <glob.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "shared.h"

static struct arena arena = {.limit = 1 << 24};

/* An exact copy, so that a sanitizer sees each read past the end. */
static bool is_valid(struct str s)
{
    struct err err;
    char *copy = malloc(s.len ? s.len : 1);
    memcpy(copy, s.p, s.len);
    bool valid = json_validate(str_n(copy, s.len), &err) == 0;
    free(copy);
    return valid;
}

/* ---- validation ---- */

static void check_file(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    struct buf file = shared_read(path);
    bool valid = is_valid(file.p ? buf_str(&file) : str_of(""));
    if ((*name == 'y' && !valid) || (*name == 'n' && valid))
        fail_msg("%s is %s", name, valid ? "accepted" : "refused");
    buf_clear(&file);
}

static void test_suite(void **state)
{
    (void)state;
    if (!shared_has("json"))
        skip();
    glob_t found;
    assert_int_equal(glob(shared_path("json/[yni]_*.json"), 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_file(found.gl_pathv[i]);
    printf("%zu documents\n", found.gl_pathc);
    assert_true(found.gl_pathc > 300);
    globfree(&found);
}

static void test_validate(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "0",    "-0",      " [1 , 2]\n",       "{\"a\":{}}",
        "1e5",  "1E+5",    "-1.5e-3",          "true ",
        "\"\"", "[[],{}]", "\"\\u00e9 \x7f\"", "\"0123456789abcdef\"",
    };
    static const char *const invalid[] = {
        "",
        " ",
        "01",
        "1.",
        "1e",
        "-",
        "+1",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\"}",
        "{a:1}",
        "[1 2]",
        "[1}",
        "{]",
        "nul",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "\"",
        "\"\\\"",
        "[1]]",
        "1 2",
        "{\"a\":1,}",
        "\xef\xbb\xbf{}",
        "\"\\u123",
        ".5",
        "\"0123456789abcdef",
    };
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        if (!is_valid(str_of(valid[i])))
            fail_msg("refused: %s", valid[i]);
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        if (is_valid(str_of(invalid[i])))
            fail_msg("accepted: %s", invalid[i]);
    assert_false(is_valid(str_n("\"a\0b\"", 5)));
    assert_false(is_valid(str_n("[]\0", 3)));
}

static void assert_utf8(const char *bytes, bool valid)
{
    char text[64];
    snprintf(text, sizeof text, "\"0123456789abcde%s\"", bytes);
    if (is_valid(str_of(text)) != valid)
        fail_msg("%s: %s", valid ? "refused" : "accepted", text);
}

static void test_utf8(void **state)
{
    (void)state;
    assert_utf8("\xc3\xa9", true);
    assert_utf8("\xe2\x82\xac\xf0\x9f\x98\x80", true);
    assert_utf8("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", true);
    assert_utf8("\xc0\xaf", false);
    assert_utf8("\xc1\xbf", false);
    assert_utf8("\xe0\x9f\xbf", false);
    assert_utf8("\xed\xa0\x80", false);
    assert_utf8("\xf0\x8f\xbf\xbf", false);
    assert_utf8("\xf4\x90\x80\x80", false);
    assert_utf8("\xf5\x80\x80\x80", false);
    assert_utf8("\x80", false);
    assert_utf8("\xc3", false);
    assert_utf8("\xe2\x82", false);
    assert_utf8("\xf0\x9f\x98", false);
}

static void test_depth(void **state)
{
    (void)state;
    struct buf b = BUF(1000);
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        buf_putc(&b, '[');
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        buf_putc(&b, ']');
    assert_true(is_valid(buf_str(&b)));
    buf_reset(&b);
    for (int i = 0; i <= JSON_MAX_DEPTH; i++)
        buf_puts(&b, "{\"a\":");
    buf_putc(&b, '1');
    for (int i = 0; i <= JSON_MAX_DEPTH; i++)
        buf_putc(&b, '}');
    struct err err;
    assert_int_equal(json_validate(buf_str(&b), &err), -1);
    assert_string_equal(err.message, "invalid JSON at byte 640: nested deeper than 128");
    buf_clear(&b);
}

static void test_words(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(json_validate(str_of("{\"a\": 1 \"b\"}"), &err), -1);
    assert_string_equal(err.message, "invalid JSON at byte 8: a comma or } expected");
    assert_int_equal(json_validate(str_of("[\"a\\q\"]"), &err), -1);
    assert_string_equal(err.message, "invalid JSON at byte 3: an escape that JSON does not have");
    assert_int_equal(json_validate(str_of("{\"a\""), &err), -1);
    assert_string_equal(err.message, "invalid JSON at byte 4: the text ends inside a value");
    assert_int_equal(json_validate(str_of("[1"), &err), -1);
    assert_string_equal(err.message, "invalid JSON at byte 2: the text ends inside a value");
    assert_int_equal(json_validate((struct str){NULL, 0}, &err), -1);
}

/* ---- reading ---- */

static void assert_str(struct str s, const char *expected)
{
    if (expected == NULL) {
        assert_null(s.p);
        return;
    }
    if (s.p == NULL || !str_eq(s, expected))
        fail_msg("'" STR_FMT "' instead of '%s'", STR_ARG(s), expected);
}

static void test_walk(void **state)
{
    (void)state;
    struct json_walk w = json_walk(str_of(" { \"a\" : [1, \"]\"] , \"b\\\"\":\"x\\\\\" } "));
    assert_true(json_next(&w));
    assert_str(w.key, "a");
    assert_str(w.value, "[1, \"]\"]");
    assert_true(json_next(&w));
    assert_str(w.key, "b\\\"");
    assert_str(w.value, "\"x\\\\\"");
    assert_false(json_next(&w));
    assert_false(json_next(&w));
    w = json_walk(str_of("[ 1 ,{\"a\":{\"b\":\"}\"}},null]"));
    assert_true(json_next(&w));
    assert_str(w.value, "1");
    assert_int_equal(w.key.len, 0);
    assert_true(json_next(&w));
    assert_str(w.value, "{\"a\":{\"b\":\"}\"}}");
    assert_true(json_next(&w));
    assert_str(w.value, "null");
    assert_false(json_next(&w));
    static const char *const none[] = {"[ ]", "{ }", "1", "\"a\"", "null"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        w = json_walk(str_of(none[i]));
        assert_false(json_next(&w));
    }
    w = json_walk((struct str){NULL, 0});
    assert_false(json_next(&w));
}

static void test_type(void **state)
{
    (void)state;
    assert_int_equal(json_type(str_of("null")), JSON_NULL);
    assert_int_equal(json_type(str_of("false")), JSON_FALSE);
    assert_int_equal(json_type(str_of(" true")), JSON_TRUE);
    assert_int_equal(json_type(str_of("-1")), JSON_NUMBER);
    assert_int_equal(json_type(str_of("\"\"")), JSON_STRING);
    assert_int_equal(json_type(str_of("[]")), JSON_ARRAY);
    assert_int_equal(json_type(str_of("{}")), JSON_OBJECT);
    assert_int_equal(json_type((struct str){NULL, 0}), JSON_NONE);
}

static void test_get(void **state)
{
    (void)state;
    struct str object =
        str_of("{\"a\":1,\"ab\":2,\"a\":3,\"\\u0061c\":4,\"n\":{\"a\":9},\"z\\u0000\":5}");
    assert_str(json_get(object, "a"), "3");
    assert_str(json_get(object, "ab"), "2");
    assert_str(json_get(object, "ac"), "4");
    assert_str(json_get(object, "b"), NULL);
    assert_str(json_get(object, "z"), NULL);
    assert_str(json_get(object, ""), NULL);
    assert_str(json_get(str_of("[\"a\"]"), "a"), NULL);
    assert_str(json_get((struct str){NULL, 0}, "a"), NULL);
    const struct str names[] = {STR("ac"), STR("missing"), STR("a")};
    struct str values[3];
    json_get_many(object, names, values, 3);
    assert_str(values[0], "4");
    assert_str(values[1], NULL);
    assert_str(values[2], "3");
}

static void test_pointer(void **state)
{
    (void)state;
    struct str v =
        str_of(" {\"foo\":[\"bar\",{\"a/b\":1,\"m~n\":2}],\"\":0,\"\\ud83d\\ude00\":7,\"0\":8} ");
    assert_str(json_pointer(v, "/foo/0"), "\"bar\"");
    assert_str(json_pointer(v, "/foo/1/a~1b"), "1");
    assert_str(json_pointer(v, "/foo/1/m~0n"), "2");
    assert_str(json_pointer(v, "/"), "0");
    assert_str(json_pointer(v, "/0"), "8");
    assert_str(json_pointer(v, "/\xf0\x9f\x98\x80"), "7");
    assert_str(json_pointer(v, "/foo/2"), NULL);
    assert_str(json_pointer(v, "/foo/00"), NULL);
    assert_str(json_pointer(v, "/foo/-"), NULL);
    assert_str(json_pointer(v, "/foo/0/x"), NULL);
    assert_str(json_pointer(v, "foo"), NULL);
    assert_str(json_pointer(str_of(" [1] "), ""), "[1]");
    assert_str(json_pointer((struct str){NULL, 0}, ""), NULL);
}

static void test_text(void **state)
{
    (void)state;
    assert_str(json_text(str_of("\"plain\""), &arena), "plain");
    assert_str(json_text(str_of("\"\""), &arena), "");
    assert_str(json_text(str_of("\"a\\n\\\"\\\\\\/\\b\\f\\r\\tz\""), &arena), "a\n\"\\/\b\f\r\tz");
    assert_str(json_text(str_of("\"\\u00e9\\u20AC\\ud83d\\ude00\""), &arena),
               "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_str(json_text(str_of("\"\\ud83dx\\ude00\\ud83d\\u0041\""), &arena),
               "\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd"
               "A");
    assert_int_equal(json_text(str_of("\"\\u0000\""), &arena).len, 1);
    assert_str(json_text(str_of("1"), &arena), NULL);
    struct arena small = ARENA(8);
    assert_str(json_text(str_of("\"0123456789abcdefghij\""), &small), NULL);
    arena_clear(&small);
    assert_str(json_plain(str_of("\"abc\"")), "abc");
    assert_str(json_plain(str_of("\"a\\nc\"")), NULL);
    assert_str(json_plain(str_of("[]")), NULL);
    arena_reset(&arena);
}

static void test_numbers(void **state)
{
    (void)state;
    double d;
    int64_t i;
    assert_true(json_number(str_of("-1.5e2"), &d));
    assert_true(d == -150);
    assert_false(json_number(str_of("1e999"), &d));
    assert_false(json_number(str_of("\"1\""), &d));
    assert_false(json_number((struct str){NULL, 0}, &d));
    assert_true(json_integer(str_of("9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_true(json_integer(str_of("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(json_integer(str_of("-0"), &i));
    assert_int_equal(i, 0);
    assert_false(json_integer(str_of("9223372036854775808"), &i));
    assert_false(json_integer(str_of("-9223372036854775809"), &i));
    assert_false(json_integer(str_of("1.0"), &i));
    assert_false(json_integer(str_of("1e3"), &i));
    assert_false(json_integer((struct str){NULL, 0}, &i));
    assert_true(json_is_true(str_of("true")));
    assert_false(json_is_true(str_of("null")));
}

static void test_quote(void **state)
{
    (void)state;
    struct buf b = BUF(100);
    assert_int_equal(json_quote(&b, str_n("a\"\\\n\x01\x7f\0\xc3\xa9", 9)), 0);
    assert_string_equal(b.p, "\"a\\\"\\\\\\n\\u0001\x7f\\u0000\xc3\xa9\"");
    buf_reset(&b);
    assert_int_equal(json_quote(&b, str_of("\xc3(\xff\xe2\x82")), 0);
    assert_string_equal(b.p, "\"\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    buf_reset(&b);
    assert_int_equal(json_quote_z(&b, NULL) | json_quote_z(&b, ""), 0);
    assert_string_equal(b.p, "null\"\"");
    buf_clear(&b);
    struct buf small = BUF(6);
    buf_puts(&small, "ab");
    assert_int_equal(json_quote(&small, str_of("0123")), -1);
    assert_string_equal(small.p, "ab");
    assert_int_equal(small.len, 2);
    assert_int_equal(json_quote(&small, str_of("\n")), 0);
    assert_string_equal(small.p, "ab\"\\n\"");
    buf_clear(&small);
}

/* ---- splicing ---- */

#define V(z)                                                                                       \
    {                                                                                              \
        z, sizeof z - 1                                                                            \
    }

static void assert_splice(const char *object, const struct json_edit *edits, int count,
                          const char *expected)
{
    struct iovec pieces[32];
    int n = json_splice(str_of(object), edits, count, &arena, pieces, 32);
    struct buf joined = BUF(1000);
    buf_puts(&joined, "");
    for (int i = 0; i < n; i++)
        buf_append(&joined, pieces[i].iov_base, pieces[i].iov_len);
    if (n < 0 || strcmp(joined.p, expected) != 0)
        fail_msg("%s became %s instead of %s", object, joined.p, expected);
    assert_true(is_valid(buf_str(&joined)));
    buf_clear(&joined);
    arena_reset(&arena);
}

static void test_replace(void **state)
{
    (void)state;
    const struct json_edit model[] = {{"model", V("\"m2\"")}};
    assert_splice(" { \"model\" : \"m1\" , \"x\":1e5 }\n", model, 1,
                  " { \"model\" : \"m2\" , \"x\":1e5 }\n");
    assert_splice("{\"model\":1,\"a\":{\"model\":2},\"model\":[3]}", model, 1,
                  "{\"model\":\"m2\",\"a\":{\"model\":2},\"model\":\"m2\"}");
    const struct json_edit gone[] = {{"\\", {NULL, 0}}, {"a\\\\", {NULL, 0}}};
    assert_splice("{\"\\u005c\":0,\"\\\\\":1,\"a\\\\\":2}", gone, 2, "{\"a\\\\\":2}");
    assert_splice("{\"mod\\u0065l\":1}", model, 1, "{\"mod\\u0065l\":\"m2\"}");
    assert_splice("{\"a\":[]}", model, 1, "{\"a\":[],\"model\":\"m2\"}");
    assert_splice("{ \"a\":[] }", model, 1, "{ \"a\":[],\"model\":\"m2\" }");
    assert_splice("{}", model, 1, "{\"model\":\"m2\"}");
    assert_splice(" { } ", model, 1, " {\"model\":\"m2\" } ");
    const struct json_edit odd[] = {{"a\"\n", V("1")}, {"b", V("2")}};
    assert_splice("{}", odd, 2, "{\"a\\\"\\n\":1,\"b\":2}");
    assert_splice("{\"b\":0}", odd, 2, "{\"b\":2,\"a\\\"\\n\":1}");
}

static void test_remove(void **state)
{
    (void)state;
    const struct json_edit a[] = {{"a", {NULL, 0}}};
    assert_splice("{\"a\":1}", a, 1, "{}");
    assert_splice("{ \"a\" : 1 }", a, 1, "{  }");
    assert_splice("{\"b\":1}", a, 1, "{\"b\":1}");
    assert_splice("{ \"a\":1 , \"b\":2 , \"c\":3 }", a, 1, "{ \"b\":2 , \"c\":3 }");
    assert_splice("{ \"b\":2 , \"a\":1 , \"c\":3 }", a, 1, "{ \"b\":2 , \"c\":3 }");
    assert_splice("{ \"b\":2 , \"c\":3 , \"a\":1 }", a, 1, "{ \"b\":2 , \"c\":3 }");
    assert_splice("{\"a\":1,\"a\":2}", a, 1, "{}");
    assert_splice("{\"a\":1,\"b\":0,\"a\":2,\"a\":3}", a, 1, "{\"b\":0}");
    assert_splice("{\"a\":1,\"a\":1,\"b\":0}", a, 1, "{\"b\":0}");
    assert_splice("{}", a, 1, "{}");
    const struct json_edit mixed[] = {{"a", {NULL, 0}}, {"b", V("[]")}, {"c", V("true")}};
    assert_splice("{\"a\":1}", mixed, 3, "{\"b\":[],\"c\":true}");
    assert_splice("{\"a\":1,\"x\":2,\"c\":3}", mixed, 3, "{\"x\":2,\"c\":true,\"b\":[]}");
    assert_splice("{\"b\":1, \"a\":2}", mixed, 3, "{\"b\":[],\"c\":true}");
}

static void test_splice_limits(void **state)
{
    (void)state;
    struct iovec pieces[8];
    const struct json_edit edit[] = {{"a", V("1")}, {"b", V("2")}};
    assert_int_equal(json_splice(str_of("[]"), edit, 1, &arena, pieces, 8), -1);
    assert_int_equal(json_splice(str_of("{\"a\":0,\"c\":0}"), edit, 2, &arena, pieces, 6), 6);
    assert_int_equal(json_splice(str_of("{\"a\":0,\"c\":0}"), edit, 2, &arena, pieces, 5), -1);
    struct arena none = ARENA(0);
    assert_int_equal(json_splice(str_of("{}"), edit, 1, &none, pieces, 8), -1);
    arena_clear(&none);
    assert_int_equal(json_splice(str_of("{\"a\":0}"), NULL, 0, &arena, pieces, 8), 1);
    assert_int_equal(pieces[0].iov_len, 7);
    arena_reset(&arena);
}

/* ---- time: printed for whoever changes the scanner; no assertion, since machines differ ---- */

static struct buf chat_request(size_t size)
{
    struct buf b = BUF(1 << 20);
    buf_puts(&b, "{\"model\":\"auto\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a "
                 "helpful assistant. Answer in one sentence.\"}");
    while (b.len + 80 < size) {
        buf_puts(&b, ",{\"role\":\"user\",\"content\":\"");
        for (int i = 0; i < 8 && b.len + 100 < size; i++)
            buf_puts(&b, "The quick brown fox jumps over the lazy dog.\\n");
        buf_puts(&b, "\"}");
    }
    buf_puts(&b, "],\"temperature\":0.7,\"max_tokens\":256,\"stream\":true}");
    return b;
}

/* Rows as "role=content;", "-;" for what is no object, "(" where the list begins. */
static char told[512];

static void tell_begin(void *arg)
{
    (void)arg;
    strcat(told, "(");
}

static void tell_row(void *arg, const struct str *values)
{
    (void)arg;
    size_t len = strlen(told);
    if (values)
        snprintf(told + len, sizeof told - len, STR_FMT "=" STR_FMT ";", STR_ARG(values[0]), STR_ARG(values[1]));
    else
        snprintf(told + len, sizeof told - len, "-;");
}

static const char *rows_of(const char *text)
{
    static const struct str NAMES[] = {STR("model"), STR("messages")}, OF_ITEM[] = {STR("role"), STR("content")};
    struct str values[2], inside[2];
    struct json_inner inner = {1, OF_ITEM, inside, 2, tell_begin, tell_row, NULL};
    struct json_members members = {NAMES, values, 2, false, &inner};
    told[0] = '\0';
    if (json_validate_members(str_of(text), &members, NULL) < 0)
        strcat(told, "!");
    return told;
}

static void test_rows(void **state)
{
    (void)state;
    assert_string_equal(rows_of("{\"messages\":[{\"role\":\"a\",\"content\":[{\"role\":1}]},{}, 7,[{\"role\":2}],{\"content\":3}]}"),
                        "(\"a\"=[{\"role\":1}];=;-;-;=3;");
    assert_string_equal(rows_of("{\"messages\":[ ]}"), "(");
    assert_string_equal(rows_of("{\"messages\":{\"x\":{\"role\":1}},\"other\":[{\"role\":1}]}"), "");
    assert_string_equal(rows_of("{\"messages\":[{\"role\":1}],\"messages\":[{\"r\\u006fle\":2,\"role\":3}]}"), "(1=;(3=;");
    assert_string_equal(rows_of("[{\"messages\":[{\"role\":1}]}]"), "");
    assert_string_equal(rows_of("{\"messages\":[{\"role\":1},{\"role\":2"), "(1=;!");
}

static void test_inner(void **state)
{
    (void)state;
    static const struct str NAMES[] = {STR("usage")}, OF_USAGE[] = {STR("in"), STR("out")};
    struct str values[1], inside[2];
    struct json_inner inner = {.of = 0, .names = OF_USAGE, .values = inside, .count = 2};
    struct json_members members = {NAMES, values, 1, false, &inner};
    assert_int_equal(json_validate_members(str_of("{\"in\":0,\"usage\":{\"in\":1,\"x\":{\"out\":2},\"out\":[3]},\"out\":4}"), &members, NULL), 0);
    assert_str(inside[0], "1");
    assert_str(inside[1], "[3]");
    assert_int_equal(json_validate_members(str_of("{\"usage\":[{\"in\":1}]}"), &members, NULL), 0);
    assert_str(inside[0], NULL);
}

static void validate_once(struct str body)
{
    assert_true(json_validate(body, NULL) == 0);
}

static void find_six_once(struct str body)
{
    static const struct str names[] = {STR("model"), STR("stream"), STR("messages"), STR("max_tokens"), STR("tools"), STR("user")};
    struct str values[6];
    json_get_many(body, names, values, 6);
    assert_true(values[0].p != NULL && values[5].p == NULL);
}

static void splice_two_once(struct str body)
{
    static const struct json_edit edits[] = {{"model", V("\"gpt-4o-mini\"")},
                                             {"stream", V("false")}};
    struct iovec pieces[8];
    assert_true(json_splice(body, edits, 2, &arena, pieces, 8) == 5);
}

/* Nanoseconds of one call: the best of many short batches, since other programs run too. */
static double best_time(void (*once)(struct str body), struct str body)
{
    enum { BATCHES = 400, CALLS = 20 };
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < BATCHES; i++) {
        uint64_t start = clock_ns();
        for (int n = 0; n < CALLS; n++)
            once(body);
        uint64_t took = clock_ns() - start;
        best = took < best ? took : best;
    }
    return (double)best / CALLS;
}

static void time_request(size_t size)
{
    struct buf b = chat_request(size);
    struct str body = buf_str(&b);
    printf("%zu bytes: validate %.0f ns, find six %.0f ns, splice two %.0f ns\n", body.len,
           best_time(validate_once, body), best_time(find_six_once, body),
           best_time(splice_two_once, body));
    buf_clear(&b);
}

static void test_time(void **state)
{
    (void)state;
    time_request(1024);
    time_request(50 * 1024);
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
        cmocka_unit_test(test_suite),         cmocka_unit_test(test_validate),
        cmocka_unit_test(test_utf8),          cmocka_unit_test(test_depth),
        cmocka_unit_test(test_words),         cmocka_unit_test(test_walk),
        cmocka_unit_test(test_type),          cmocka_unit_test(test_get),
        cmocka_unit_test(test_pointer),       cmocka_unit_test(test_text),
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_quote),
        cmocka_unit_test(test_replace),       cmocka_unit_test(test_remove),
        cmocka_unit_test(test_splice_limits),
        cmocka_unit_test(test_rows), cmocka_unit_test(test_inner),
        cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, clear);
}
