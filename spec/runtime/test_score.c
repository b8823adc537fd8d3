/* wye.score by hand-counted examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "script.h"

static void good(const char *body)
{
    char all[2000];
    snprintf(all, sizeof all, "local function near(a, b) assert(a and math.abs(a - b) < 1e-9, tostring(a)) end\n%s", body);
    assert_string_equal(script_run("local s = wye.score", all), "ok");
}

static void says(const char *said, const char *words)
{
    if (strstr(said, words) == NULL)
        fail_msg("'%s' does not say '%s'", said, words);
}

static void test_logprobs(void **state)
{
    (void)state;
    /* p = 1/2 and 1/8: the mean log is log(1/4). Tops: 1/2, 1/4, 1/4 and 1/8, 1/8. */
    script_answer("{\"choices\":[{\"message\":{\"content\":\"a b\"},\"logprobs\":{\"content\":["
                  "{\"logprob\":-0.6931471805599453,\"top_logprobs\":[{\"logprob\":-0.6931471805599453},{\"logprob\":-1.3862943611198906},"
                  "{\"logprob\":-1.3862943611198906}]},"
                  "{\"logprob\":-2.0794415416798357,\"top_logprobs\":[{\"logprob\":-2.0794415416798357},{\"logprob\":-2.0794415416798357}]}]}}]}");
    good("local r = m:ask(req)\nnear(s.confidence(r), 0.25)\nnear(s.margin(r), (0.25 + 0) / 2)\nnear(s.entropy(r), (1.5 + 1) / 2)\n"
         "near(s.least(r), 0.125)");
    script_answer("{\"choices\":[{\"message\":{\"content\":\"x\"},\"logprobs\":{\"content\":[{\"logprob\":0,\"top_logprobs\":[]}]}}]}");
    good("local r = m:ask(req)\nnear(s.confidence(r), 1)\nassert(s.margin(r) == nil and s.entropy(r) == nil)");
    script_answer("{\"choices\":[{\"message\":{\"content\":\"x\"},\"logprobs\":null}]}");
    good("local r = m:ask(req)\nassert(s.confidence(r) == nil)");
    says(script_run("", "wye.score.confidence 'x'"), "reply expected");
}

static void test_agreement(void **state)
{
    (void)state;
    good("local share, index = s.agreement { 'no', 'The  answer: 42.', 'the answer 42', '43' }\nassert(share == 0.5 and index == 2)\n"
         "assert(s.agreement { 'a' } == 1)\nshare, index = s.agreement { 'a', 'b' }\nassert(share == 0.5 and index == 1)\n"
         "assert(s.agreement { 'ab', 'a b' } == 0.5)\n"
         "share, index = s.agreement({ 'a', 'A', 'b', 'b' }, 'exact')\nassert(share == 0.5 and index == 3)");
    says(script_run("", "wye.score.agreement({ 'a' }, 'meaning')"), "invalid option 'meaning'");
    says(script_run("", "wye.score.agreement {}"), "takes 1 to 32 replies");
}

static void test_texts(void **state)
{
    (void)state;
    good("local yes, p = s.refusal \"Sorry, but I CAN'T help with that.\"\nassert(yes == true and p == 1)\n"
         "yes, p = s.refusal(('long '):rep(60) .. 'and I cannot assist')\nassert(yes == true and p == 0.5)\n"
         "yes, p = s.refusal 'Sure, here it is.'\nassert(yes == false and p == 0)");
    good("assert(s.degenerate '' == 1 and s.degenerate ' \\n' == 1)\n"
         "assert(s.degenerate 'one two three four five six seven' == 0)\n"
         "near(s.degenerate('a b c d a b c d'), 1 / 5)\n"
         "assert(s.degenerate(('over and over again '):rep(50)) > 0.95)\n"
         "near(s.degenerate('ab' .. ('='):rep(98)), 0.98)");
}

static void test_whole(void **state)
{
    (void)state;
    good("local function is(text) return (s.valid(text)) end\n"
         "assert(is 'no code' and is '```lua\\nx\\n```' and is '~~~\\n```\\n~~~' and is '````\\n```\\n````\\nend' and is 'a ``` b')\n"
         "assert(is '    ```' and not is '```' and not is 'x\\n  ```c\\nint x;' and not is '~~~\\n```' and not is '````\\n```')\n"
         "local ok, why = s.valid('```')\nassert(why == 'a code fence is left open')\n"
         "assert(s.valid('[1]', 'json') and not s.valid('[1', 'json'))");
    script_answer("{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"half of it\"}}]}");
    good("local r = m:ask(req)\nlocal ok, why = s.valid(r)\nassert(ok == false and why == 'cut at the limit of tokens')\n"
         "local p, what = s.degenerate(r)\nassert(p == 1 and what == 'cut')\n"
         "p, what = s.degenerate 'all is well'\nassert(p == 0 and what == nil)\n"
         "p, what = s.degenerate ' '\nassert(what == 'empty')\np, what = s.degenerate(('='):rep(40))\nassert(what == 'run')\n"
         "p, what = s.degenerate(('on and on '):rep(9))\nassert(what == 'repeats')");
}

static void test_length(void **state)
{
    (void)state;
    good("local p, words = s.length('one, two three.')\nassert(p == 1 and words == 3)\nassert(s.length('a b', 4) == 0.5 and s.length('', 1) == 0)\n"
         "assert(s.length('a b c d', 1, 2) == 0.5 and s.length('', 0) == 1)");
    says(script_run("", "wye.score.length('a', 3, 2)"), "the least and the most words");
}

static void test_together(void **state)
{
    (void)state;
    good("near(s.weighted { { 0.5, 1 }, { true, 3 }, { nil, 9 }, { false, 1 } }, 3.5 / 5)\n"
         "assert(s.weighted {} == nil and s.weighted { { nil, 1 } } == nil)");
    says(script_run("", "wye.score.weighted { { 1, -1 } }"), "the weight of item 1 must be a number from 0 on");
    says(script_run("", "wye.score.weighted { 1 }"), "item 1 is a number");
    says(script_run("", "wye.score.confidance()"), "unknown field 'confidance' of wye.score (did you mean 'confidence'?)");
    script_answer("{\"choices\":[{\"message\":{\"content\":\"[1]\"}}]}");
    assert_string_equal(script_run("local list = wye.schema { type = 'array' }",
                                   "local r = m:ask(req)\nassert(wye.score.valid(r, list) == true)\n"
                                   "local ok, why = wye.score.valid('{}', list)\nassert(ok == false and why == '{} is not an array')"),
                        "ok");
    says(script_run("", "wye.score.valid('x', {})"), "takes a reply and, if you like, what wye.schema returned, or \"json\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_together),
    };
    return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
