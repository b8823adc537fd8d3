/* wye.re: what it finds, what it refuses, and that no pattern keeps a worker busy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "script.h"

static void good(const char *top, const char *body)
{
    assert_string_equal(script_run(top, body), "ok");
}

static void test_match(void **state)
{
    (void)state;
    good("local re = wye.re [[(\\d+)-(\\d+)?]]", "local a, b = re:match 'x 12-34'; assert(a == '12' and b == '34')\n"
                                                 "a, b = re:match 'x 7-'; assert(a == '7' and b == nil)\n"
                                                 "assert(re:match 'none' == nil)\n"
                                                 "assert(re:match('1-2 3-4', 3) == '3' and re:match('1-2', 9) == nil)");
    good("local re = wye.re '(?i)straße'", "assert(re:match 'Die STRASSE' == nil and re:match 'Die STRAßE' == 'STRAßE')");
    good("local re = wye.re ''", "assert(re:match '' == '' and re:test 'x' and re:find '' == 1)");
}

static void test_find(void **state)
{
    (void)state;
    good("local re = wye.re 'b+'", "local a, b = re:find 'abbbc'; assert(a == 2 and b == 4)\n"
                                   "a, b = re:find('abcb', -1); assert(a == 4 and b == 4)\n"
                                   "assert(re:find('bac', 2) == nil and re:find '' == nil)");
    good("local re = wye.re '(?<=é)x'", "assert(re:find(('é'):rep(9000) .. 'x') == 18001)");
}

/* The search goes in runs of start positions: a match must be found wherever it lies. */
static void test_every_position(void **state)
{
    (void)state;
    good("local re, last, word = wye.re 'x', wye.re 'x$', wye.re [[\\bx]]",
         "for n = 0, 700 do\n"
         "  local text = ('-'):rep(n) .. 'x'\n"
         "  assert(re:find(text) == n + 1 and last:find(text) == n + 1 and word:test(text), n)\n"
         "  assert(re:find(('é'):rep(n) .. 'x') == 2 * n + 1, n)\n"
         "  assert(not re:test(('-'):rep(n)))\n"
         "end");
}

static void test_odd_bytes(void **state)
{
    (void)state;
    good("local re = wye.re 'b'", "assert(re:find 'a\\255\\254b\\0' == 4)\nassert(re:test '\\0b')\nassert(not re:test '\\255')");
}

static void test_sets(void **state)
{
    (void)state;
    good("local set = wye.re { code = '```|traceback', math = [[\\bintegral\\b]], all = 'zzz' }",
         "assert(set:match 'an integral' == 'math' and set:match '```' == 'code' and set:match 'zzz ```' == 'all')\n"
         "assert(set:match 'nothing' == nil)");
    assert_non_null(strstr(script_load("wye.re { code = 7 }"), "a set is a table of patterns by name"));
    assert_non_null(strstr(script_load("wye.re { code = '(' }"), "route.lua:2: wye.re: missing closing parenthesis at offset 1"));
}

static void test_refused(void **state)
{
    (void)state;
    assert_non_null(strstr(script_load("wye.re 'ab[c'"), "route.lua:2: wye.re: missing terminating ] for character class at offset 4"));
    assert_non_null(strstr(script_load("wye.re(('()'):rep(33))"), "has 33 captures; 32 are the limit"));
    assert_non_null(strstr(script_load("wye.re(('x'):rep(20000))"), "over 16 KiB"));
    assert_non_null(strstr(script_load("local re = wye.re 'x'; re:tets 'x'"), "unknown field 'tets' of regex (did you mean 'test'?)"));
    assert_non_null(strstr(script_load("local re = wye.re 'x'; re.test 'x'"), "with a colon"));
    assert_non_null(strstr(script_run("", "wye.re 'x'"), "wye.re works only while the file loads"));
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_bombs_end(void **state)
{
    (void)state;
    static const char *const bombs[][2] = {
        /* A class at the end, so that no missing byte ends the search early. */
        {"(a+)+[bc]", "('a'):rep(50000)"},
        {"(?:a|a)*[bc]", "('a'):rep(200000)"},
        {"(.*)*[xy]", "('z'):rep(100000)"},
        {".*.*.*[xy]", "('z'):rep(100000)"},
        {"(?s).*?.*?.*?[xy]", "('z'):rep(100000)"},
        {"^([a-z]+ ?)*$", "('word '):rep(20000) .. '!'"},
        {"(a?){30}a{30}[bc]", "('a'):rep(100000)"},
        {"(?:(?:a*)*)*[bc]", "('a'):rep(100000)"},
        {"([a-z]+)*[=+]", "('abc'):rep(50000)"},
        {"(x+x+)+[yz]", "('x'):rep(100000)"},
        {"(?R)?a+(?R)?[bc]", "('a'):rep(100000)"},
        {"(?=(a+))a*[bc]", "('a'):rep(100000)"},
        {"a{0,500}a{0,500}a{0,500}[bc]", "('a'):rep(200000)"},
        {"a.{0,300}a.{0,300}[bc]", "('a'):rep(400000)"},
        {"(?i)[a-z]+[0-9]", "('straße '):rep(100000)"},
        {"(?=.*[xy])a", "('a'):rep(300000)"},
    };
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        char top[200], body[300];
        snprintf(top, sizeof top, "local re = wye.re '%s'", bombs[i][0]);
        snprintf(body, sizeof body, "local found, err = re:test(%s)\nreturn err and err.kind or tostring(found)", bombs[i][1]);
        double began = seconds();
        const char *said = script_run(top, body);
        double took = seconds() - began;
        if (getenv("WYE_TEST_BOMBS"))
            printf("%-40s %-6s %.3f s\n", bombs[i][0], said, took);
        if (strcmp(said, "limit") != 0 && strcmp(said, "false") != 0)
            fail_msg("%s: %s", bombs[i][0], said);
        assert_true(took < 5);
    }
}

int main(void)
{
    if (RUNNING_ON_VALGRIND) {
        fprintf(stderr, "skipped: what PCRE2 compiles reads whole words, in frames that no suppression can name\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),   cmocka_unit_test(test_find),    cmocka_unit_test(test_every_position),
        cmocka_unit_test(test_odd_bytes), cmocka_unit_test(test_sets),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bombs_end),
    };
    return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
