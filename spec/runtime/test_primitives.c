/* wye.prompt, wye.json, wye.now and wye.random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "script.h"

static void good(const char *top, const char *body)
{
    assert_string_equal(script_run(top, body), "ok");
}

static void says(const char *said, const char *words)
{
    if (strstr(said, words) == NULL)
        fail_msg("'%s' does not say '%s'", said, words);
}

static void test_prompt(void **state)
{
    (void)state;
    script_file("prompts/support.md", "Be \"kind\".\n");
    script_file("prompts/.hidden.md", "no");
    good("local text = wye.prompt 'prompts/support.md'", "assert(text == 'Be \"kind\".\\n')");
    says(script_load("wye.prompt 'prompts/suport.md'"),
         "route.lua:2: wye.prompt: cannot read routes/prompts/suport.md: No such file or directory (did you mean 'prompts/support.md'?)");
    says(script_load("wye.prompt 'rout.lua'"), "(did you mean 'route.lua'?)");
    says(script_load("wye.prompt 'prompts/zzz'"), "cannot read routes/prompts/zzz: No such file or directory");
    says(script_load("wye.prompt '../etc/passwd'"), "a path must stay inside the project");
    says(script_load("wye.prompt()"), "string expected");
    says(script_run("", "wye.prompt 'prompts/support.md'"), "wye.prompt works only while the file loads");
    assert_null(strstr(script_load("wye.prompt 'prompts/zzz'"), "did you mean"));
}

static void test_decode(void **state)
{
    (void)state;
    good("", "local v = wye.json.decode ' {\"a\":[1,2.5,null,true],\"b\":{},\"\\\\u00e9\":\"\\\\n\",\"n\":12345678901234567890} '\n"
             "assert(#v.a == 4 and v.a[2] == 2.5 and v.a[3] == wye.null and v.a[4] == true)\n"
             "assert(next(v.b) == nil and v['é'] == '\\n' and v.n == '12345678901234567890')\n"
             "assert(wye.json.decode 'false' == false and wye.json.decode '\"x\"' == 'x')");
    good("", "local v, err = wye.json.decode '[1,]'\nassert(v == nil and err.kind == 'malformed' and #err.message > 5)\n"
             "v, err = wye.json.decode ''\nassert(v == nil and err.kind == 'malformed')\n"
             "v, err = wye.json.decode(('['):rep(500))\nassert(v == nil and err.kind == 'malformed')\n"
             "v, err = wye.json.decode('\"' .. ('x'):rep(9000000) .. '\"')\nassert(v == nil and err.kind == 'limit')");
    says(script_run("", "wye.json.decode {}"), "string expected");
}

static void test_encode(void **state)
{
    (void)state;
    good("", "local text = '{\"a\":[],\"b\":{},\"c\":[null,1,0.5,\"\\\\u0001é\"]}'\n"
             "local again = wye.json.decode(wye.json.encode(wye.json.decode(text)))\n"
             "assert(wye.json.encode(again.a) == '[]' and wye.json.encode(again.b) == '{}')\n"
             "assert(wye.json.encode(again.c) == '[null,1,0.5,\"\\\\u0001é\"]')\n"
             "assert(wye.json.encode(nil) == 'null' and wye.json.encode(wye.null) == 'null')");
    says(script_run("", "local t = {}; t.t = t; wye.json.encode(t)"), "nested too deeply");
    says(script_run("", "wye.json.encode()"), "value expected");
    says(script_run("", "wye.json.encod(1)"), "unknown field 'encod' of wye.json (did you mean 'encode'?)");
    says(script_load("wye.json.encode = 1"), "read-only");
    says(script_load("wye.x = 1"), "read-only");
}

static void test_chance(void **state)
{
    (void)state;
    good("local loaded = wye.now()", "assert(wye.now() >= loaded and loaded > 1.7e9 and loaded < 1e11)");
    good("", "local low, high = 0, 0\n"
             "for _ = 1, 2000 do\n"
             "  local x, d, n = wye.random(), wye.random(6), wye.random(-2, 2)\n"
             "  assert(x >= 0 and x < 1 and d >= 1 and d <= 6 and d % 1 == 0 and n >= -2 and n <= 2 and n % 1 == 0)\n"
             "  if d == 1 then low = low + 1 elseif d == 6 then high = high + 1 end\n"
             "end\n"
             "assert(low > 250 and low < 420 and high > 250 and high < 420)\n"
             "assert(wye.random(7, 7) == 7)");
    says(script_run("", "wye.random(2, 1)"), "the interval is empty");
    says(script_run("", "wye.random(1.5)"), "a whole number");
    says(script_run("", "wye.random(0/0)"), "a whole number");
    says(script_load("wye.random()"), "wye.random works only while a request is served");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_chance),
    };
    return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
