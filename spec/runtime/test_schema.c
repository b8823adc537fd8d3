/* JSON Schema: each keyword by what it takes and what it says of the rest; and wye.schema in a route. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/schema.h"
#include "script.h"

static const struct {
    const char *schema;
    const char *good[4], *bad[4];
    const char *why; /* of the first bad one */
} CASES[] = {
    {"true", {"1", "null"}, {0}, NULL},
    {" false ", {0}, {"1"}, "1 is not allowed"},
    {"{}", {"1", "{}", "[]"}, {0}, NULL},
    {"{\"type\":\"integer\"}", {"1", "-0", "1.0", "1e3"}, {"1.5", "\"1\"", "null", "1e999"}, "1.5 is not an integer"},
    {"{\"type\":[\"string\",\"null\"]}", {"\"\"", "null"}, {"3", "{}"}, "3 is not a null or a string"},
    {"{\"type\":\"boolean\"}", {"true", "false"}, {"0"}, "0 is not a boolean"},
    {"{\"const\":{\"a\":[1,\"\\u00e9\"],\"b\":null}}", {"{\"b\":null,\"a\":[1.0,\"é\"]}"}, {"{\"a\":[1,\"é\"]}", "{\"a\":[\"é\",1],\"b\":null}", "1"}, "is not {"},
    {"{\"enum\":[\"a\",1,null]}", {"\"a\"", "\"\\u0061\"", "1.0", "null"}, {"\"b\"", "true", "\"1\""}, "\"b\" is none of [\"a\",1,null]"},
    {"{\"minimum\":1,\"maximum\":2.5}", {"1", "2.5", "\"x\""}, {"0.99", "3"}, "0.99 is less than 1"},
    {"{\"exclusiveMinimum\":1,\"exclusiveMaximum\":2}", {"1.01", "1.99"}, {"1", "2"}, "1 is not more than 1"},
    {"{\"multipleOf\":0.01}", {"4.02", "0", "19.99", "1e6"}, {"4.025", "0.001"}, "4.025 is no multiple of 0.01"},
    {"{\"minLength\":2,\"maxLength\":3}", {"\"éa\"", "\"\\ud83d\\ude00é\"", "[]"}, {"\"é\"", "\"abcd\""}, "has 1 characters, at least 2 are needed"},
    {"{\"pattern\":\"^[A-Z]+-\\\\d+$\"}", {"\"AB-12\"", "7"}, {"\"ab-12\"", "\"AB-\""}, "\"ab-12\" does not match the pattern"},
    {"{\"required\":[\"a\",\"é\"]}", {"{\"a\":1,\"\\u00e9\":2}", "[]"}, {"{\"a\":1}", "{}"}, "'é' is missing"},
    {"{\"properties\":{\"a\":{\"properties\":{\"b\":{\"type\":\"string\"}}}}}", {"{\"a\":{\"b\":\"x\"}}", "{\"a\":1}"}, {"{\"a\":{\"b\":3}}"}, "/a/b: 3 is not a string"},
    {"{\"properties\":{\"a\":true},\"patternProperties\":{\"^x-\":{\"type\":\"number\"}},\"additionalProperties\":false}",
     {"{\"a\":0,\"x-y\":1}", "{}"}, {"{\"b\":1}", "{\"x-y\":\"\"}"}, "/b: is not expected"},
    {"{\"additionalProperties\":{\"type\":\"number\"}}", {"{\"q\":1}"}, {"{\"q\":\"\"}"}, "/q: \"\" is not a number"},
    {"{\"propertyNames\":{\"maxLength\":2}}", {"{\"ab\":1}"}, {"{\"abc\":1}"}, "/abc: has 3 characters"},
    {"{\"minProperties\":1,\"maxProperties\":2}", {"{\"a\":1}", "{\"a\":1,\"b\":2}"}, {"{}", "{\"a\":1,\"b\":2,\"c\":3}"}, "has 0 members"},
    {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"number\"}}", {"[]", "[\"a\",1,2]"}, {"[1]", "[\"a\",\"b\"]"}, "/0: 1 is not a string"},
    {"{\"prefixItems\":[true],\"items\":false}", {"[1]"}, {"[1,2]"}, "/1: 2 is not allowed"},
    {"{\"minItems\":1,\"maxItems\":2,\"uniqueItems\":true}", {"[1]", "[1,\"1\"]", "[{\"a\":1},{\"a\":2}]"}, {"[]", "[1,2,3]", "[1,1.0]", "[[],[]]"}, "has 0 items"},
    {"{\"contains\":{\"const\":5},\"maxContains\":2}", {"[1,5]", "[5,5]"}, {"[]", "[1]", "[5,5,5]"}, "no item is as needed"},
    {"{\"contains\":{\"const\":5},\"minContains\":0}", {"[]", "[1]"}, {0}, NULL},
    {"{\"allOf\":[{\"type\":\"number\"},{\"minimum\":2}]}", {"2"}, {"1", "\"\""}, "1 is less than 2"},
    {"{\"anyOf\":[{\"type\":\"number\"},{\"type\":\"null\"}]}", {"1", "null"}, {"\"\""}, "\"\" is as none of the 2 allowed"},
    {"{\"oneOf\":[{\"multipleOf\":3},{\"multipleOf\":5}]}", {"9", "10"}, {"15", "7"}, "15 is as 2 of the 2 of which it must be one"},
    {"{\"not\":{\"type\":\"null\"}}", {"1"}, {"null"}, "null is what it must not be"},
    {"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},\"else\":{\"required\":[\"c\"]}}",
     {"{\"a\":1,\"b\":2}", "{\"c\":1}"}, {"{\"a\":1}", "{}"}, "'b' is missing"},
    {"{\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#/$defs/node\"}}}},\"$ref\":\"#/$defs/node\"}",
     {"{\"next\":{\"next\":{}}}"}, {"{\"next\":{\"next\":1}}"}, "/next/next: 1 is not an object"},
    {"{\"properties\":{\"a\":{\"$ref\":\"#\"},\"b\":{\"type\":\"null\"}}}", {"{\"a\":{\"a\":{\"b\":null}}}"}, {"{\"a\":{\"b\":1}}"}, "/a/b: 1 is not a null"},
    {"{\"type\":\"string\",\"format\":\"email\",\"title\":\"x\",\"x-own\":1}", {"\"no mail\""}, {"1"}, "1 is not a string"},
};

static void test_keywords(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct err err = {0};
        struct schema *s = schema_new(str_of(CASES[i].schema), &err);
        if (s == NULL)
            fail_msg("%s: %s", CASES[i].schema, err.message);
        for (int k = 0; k < 4 && CASES[i].good[k]; k++)
            if (!schema_check(s, str_of(CASES[i].good[k]), &err))
                fail_msg("%s refuses %s: %s", CASES[i].schema, CASES[i].good[k], err.message);
        for (int k = 0; k < 4 && CASES[i].bad[k]; k++) {
            if (schema_check(s, str_of(CASES[i].bad[k]), &err))
                fail_msg("%s takes %s", CASES[i].schema, CASES[i].bad[k]);
            if (k == 0 && strstr(err.message, CASES[i].why) == NULL)
                fail_msg("%s of %s: '%s' does not say '%s'", CASES[i].schema, CASES[i].bad[k], err.message, CASES[i].why);
        }
        schema_free(s);
    }
}

static void refused(const char *schema, const char *words)
{
    struct err err = {0};
    struct schema *s = schema_new(str_of(schema), &err);
    if (s || strstr(err.message, words) == NULL)
        fail_msg("%s: '%s' does not say '%s'", schema, s ? "" : err.message, words);
}

static void test_wrong_schemas(void **state)
{
    (void)state;
    refused("{", "no valid JSON");
    refused("[]", "a schema is an object, true or false");
    refused("{\"properties\":{\"a\":{\"type\":\"strin\"}}}", "/properties/a/type: no type is called 'strin' (did you mean 'string'?)");
    refused("{\"properties\":{\"a\":7}}", "/properties/a: a schema is an object, true or false");
    refused("{\"items\":{\"requird\":[]}}", "/items: no keyword is called 'requird' (did you mean 'required'?)");
    refused("{\"pattern\":\"(\"}", "/pattern: the pattern does not compile: missing closing parenthesis");
    refused("{\"anyOf\":[]}", "/anyOf: the list is empty");
    refused("{\"anyOf\":[{},{\"minimum\":\"1\"}]}", "/anyOf/1/minimum: a number is needed");
    refused("{\"multipleOf\":0}", "/multipleOf: a number above 0 is needed");
    refused("{\"minItems\":-1}", "/minItems: a number from 0 on is needed");
    refused("{\"required\":[1]}", "/required: a list of names is needed");
    refused("{\"$ref\":\"#/$defs/x\"}", "/$ref: '#/$defs/x' leads nowhere");
    refused("{\"$ref\":\"http://example.com/x\"}", "/$ref: a reference within the file is needed");
    refused("{\"unevaluatedProperties\":false}", "'unevaluatedProperties' is not supported");
}

static void test_bounded(void **state)
{
    (void)state;
    struct err err = {0};
    struct schema *s = schema_new(str_of("{\"$ref\":\"#\"}"), &err);
    assert_non_null(s);
    assert_false(schema_check(s, str_of("1"), &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    schema_free(s);

    struct buf many = BUF(1 << 20);
    buf_putc(&many, '[');
    for (int i = 0; i < 5000; i++)
        buf_printf(&many, "%s%d", i ? "," : "", i);
    buf_putc(&many, ']');
    s = schema_new(str_of("{\"uniqueItems\":true}"), &err);
    assert_false(schema_check(s, buf_str(&many), &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    schema_free(s);
    buf_clear(&many);
}

static void says(const char *said, const char *words)
{
    if (strstr(said, words) == NULL)
        fail_msg("'%s' does not say '%s'", said, words);
}

static void test_in_a_route(void **state)
{
    (void)state;
    script_file("schemas/invoice.json", "{\"type\":\"object\",\"required\":[\"total\"],\"properties\":{\"total\":{\"type\":\"number\"},\"lines\":{\"type\":\"array\"}}}");
    script_file("schemas/bad.json", "{\"type\":\"objekt\"}");
    const char *top = "local invoice = wye.schema 'schemas/invoice.json'\nlocal own = wye.schema { type = 'array', items = { type = 'string' } }";
    assert_string_equal(script_run(top, "assert(invoice { total = 3 })\n"
                                        "local ok, why = invoice { total = '3' }\n"
                                        "assert(ok == false and why == '/total: \"3\" is not a number', why)\n"
                                        "ok, why = invoice ' {\"total\":3,\"lines\":[]} '\nassert(ok and why == nil)\n"
                                        "ok, why = invoice '{oh'\nassert(not ok and why:find 'no valid JSON')\n"
                                        "ok, why = invoice(nil)\nassert(not ok and why:find 'there is no value')\n"
                                        "assert(own { 'a' } and own(wye.json.decode '[]') and not own { 1 })"),
                        "ok");
    script_answer("{\"choices\":[{\"message\":{\"content\":\" {\\\"total\\\":3,\\\"lines\\\":[]}\"}}]}");
    assert_string_equal(script_run(top, "local reply = m:ask(req, { schema = invoice })\nassert(invoice(reply) and invoice(reply.json) and invoice(reply.text))\n"
                                        "assert(not own(reply))"),
                        "ok");
    says(script_load("wye.schema 'schemas/invoce.json'"), "(did you mean 'schemas/invoice.json'?)");
    says(script_load("wye.schema 'schemas/bad.json'"), "route.lua:2: wye.schema: schemas/bad.json: /type: no type is called 'objekt' (did you mean 'object'?)");
    says(script_load("wye.schema { items = { type = 7 } }"), "wye.schema: /items/type: a type's name");
    says(script_load("wye.schema(7)"), "table expected");
    says(script_run("", "wye.schema { }"), "wye.schema works only while the file loads");
    says(script_run(top, "local x = invoice.x"), "a schema has no fields");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_wrong_schemas),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_in_a_route),
    };
    return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
