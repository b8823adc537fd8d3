/* wye.calibration in a route. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "script.h"

#define FILE_OF(score, rest)                                                                                                                 \
    "{\"wye\":\"calibration\",\"version\":1,\"score\":\"" score "\",\"rows\":100,\"accuracy\":0.5,\"ece\":0.01,"                           \
    "\"quantiles\":[0,0,0,0,0,0,0,0,0,0,0.5,1,1,1,1,1,1,1,1,1,1]," rest "}"

static void says(const char *said, const char *words)
{
    if (strstr(said, words) == NULL)
        fail_msg("'%s' does not say '%s'", said, words);
}

static void test_p(void **state)
{
    (void)state;
    script_file("calibrations/invoice.json", FILE_OF("confidence", "\"method\":\"isotonic\",\"points\":[[0.25,0.4],[0.75,0.8]]"));
    script_answer("{\"choices\":[{\"message\":{\"content\":\"a\"},\"logprobs\":{\"content\":[{\"logprob\":-0.6931471805599453}]}}]}");
    const char *top = "local sure = wye.calibration 'invoice'\nlocal function near(a, b) assert(math.abs(a - b) < 1e-9, tostring(a)) end\n";
    assert_string_equal(script_run(top, "local p, score = sure(m:ask(req))\nnear(p, 0.6)\nnear(score, 0.5)\nnear(sure(0), 0.4)\nnear(sure(9), 0.8)\n"
                                        "assert(sure.score == 'confidence' and sure.accuracy == 0.5 and sure.threshold == nil)"),
                        "ok");
    says(script_run(top, "sure:keeps(1)"), "the calibration has no threshold");
    says(script_run(top, "return sure.treshold"), "unknown field 'treshold' of calibration (did you mean 'threshold'?)");
    says(script_run(top, "sure 'x'"), "reply expected");
    script_answer("{\"choices\":[{\"message\":{\"content\":\"a\"}}]}");
    assert_string_equal(script_run(top, "local p, score = sure(m:ask(req))\nassert(p == 0 and score == nil)"), "ok");
}

static void test_keeps(void **state)
{
    (void)state;
    script_file("calibrations/tied.json", FILE_OF("agreement", "\"method\":\"isotonic\",\"points\":[[0,0.1],[1,0.5],[2,0.9]],\"threshold\":0.5,\"tie\":0.25"));
    const char *top = "local sure = wye.calibration 'tied'\n";
    assert_string_equal(script_run(top, "assert(sure:keeps(1.1) == true and sure:keeps(0.9) == false)\nlocal _, p = sure:keeps(2)\nassert(p == 0.9)"), "ok");
    assert_string_equal(script_run(top, "local kept = 0\nfor _ = 1, 2000 do if sure:keeps(1) then kept = kept + 1 end end\n"
                                        "assert(kept > 1400 and kept < 1600, kept)"),
                        "ok");
    says(script_run(top, "sure(m:ask(req))"), "this calibration is of 'agreement': call it on that number");
}

static void test_refused_at_load(void **state)
{
    (void)state;
    script_file("calibrations/broken.json", FILE_OF("confidence", "\"method\":\"platt\",\"slope\":\"steep\""));
    says(script_load("local sure = wye.calibration 'broken'\n"), "wye.calibration: calibrations/broken.json: slope is \"steep\"; a number");
    says(script_load("local sure = wye.calibration 'brokn'\n"), "did you mean 'calibrations/broken.json'?");
    says(script_run("", "wye.calibration 'broken'"), "works only while the file loads");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_p),
        cmocka_unit_test(test_keeps),
        cmocka_unit_test(test_refused_at_load),
    };
    return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
