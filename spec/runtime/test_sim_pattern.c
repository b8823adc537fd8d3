/* Strings made for patterns match them; patterns that are not understood are left alone. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/sim_pattern.h"

static bool matches(const char *pattern, struct str text)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    assert_non_null(re);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(re, NULL);
    int n = pcre2_match(re, (PCRE2_SPTR)text.p, text.len, 0, 0, data, NULL);
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return n > 0;
}

static void test_matches(void **state)
{
    (void)state;
    static const char *const PATTERNS[] = {"^\\d{4}-\\d{2}-\\d{2}$", "^[A-Z]{3}$", "^a+b*c?$", "^x{2,5}\\.y$", "[0-9a-f_-]{8}", "^\\w\\s.$", "^[\\d.]+$", "^é$"};
    for (size_t i = 0; i < sizeof PATTERNS / sizeof PATTERNS[0]; i++)
        for (uint64_t seed = 1; seed < 50; seed++) {
            struct buf out = BUF(256);
            uint64_t dice = seed;
            buf_puts(&out, "<");
            assert_int_equal(sim_pattern_make(&out, str_of(PATTERNS[i]), &dice), 0);
            assert_true(out.p[0] == '<' && matches(PATTERNS[i], str_n(out.p + 1, out.len - 1)));
            buf_clear(&out);
        }
}

static void test_left_alone(void **state)
{
    (void)state;
    static const char *const PATTERNS[] = {"^(a|b)$", "a|b", "[^a]", "[a", "a{2", "a{999999}", "\\bword", "\\", "+a", "[]"};
    for (size_t i = 0; i < sizeof PATTERNS / sizeof PATTERNS[0]; i++) {
        struct buf out = BUF(256);
        uint64_t dice = 7;
        buf_puts(&out, "before");
        assert_int_equal(sim_pattern_make(&out, str_of(PATTERNS[i]), &dice), -1);
        assert_int_equal(out.len, 6);
        buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
