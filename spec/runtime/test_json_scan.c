/* Where JSON is read many bytes at once: no width of a scan passes over what ends a string or must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

/* What ends or breaks a string, at each place of strings of each length, so that no width of a scan passes over it. */
static void test_long_strings(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool is_valid;
    } CASES[] = {{"\\\"", true}, {"\\n", true}, {"\xc3\xa9", true}, {"\x7f", true}, {"!", true}, {" ", true}, {"\x01", false}, {"\x1f", false}, {"\xff", false}, {"\"", false}};
    for (size_t len = 0; len < 180; len++)
        for (size_t at = 0; at < len; at++)
            for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
                char text[256];
                size_t n = strlen(CASES[k].bytes);
                memset(text, 'a', sizeof text);
                memcpy(text, "{\"k\":\"", 6);
                memcpy(text + 6 + at, CASES[k].bytes, n);
                size_t end = 6 + (len > at + n ? len : at + n);
                memcpy(text + end, "\"}", 2);
                struct str object = str_n(text, end + 2);
                assert_int_equal(json_validate(object, NULL) == 0, CASES[k].is_valid);
                if (CASES[k].is_valid)
                    assert_int_equal(json_get(object, "k").len, end - 4);
            }
}

/* The length of the sequence at p by RFC 3629's table; 0: none. */
static int sequence(const unsigned char *p)
{
    static const unsigned char TABLE[][9] = {/* the length, then from and to of each byte */
                                             {1, 0x00, 0x7f},
                                             {2, 0xc2, 0xdf, 0x80, 0xbf},
                                             {3, 0xe0, 0xe0, 0xa0, 0xbf, 0x80, 0xbf},
                                             {3, 0xe1, 0xec, 0x80, 0xbf, 0x80, 0xbf},
                                             {3, 0xed, 0xed, 0x80, 0x9f, 0x80, 0xbf},
                                             {3, 0xee, 0xef, 0x80, 0xbf, 0x80, 0xbf},
                                             {4, 0xf0, 0xf0, 0x90, 0xbf, 0x80, 0xbf, 0x80, 0xbf},
                                             {4, 0xf1, 0xf3, 0x80, 0xbf, 0x80, 0xbf, 0x80, 0xbf},
                                             {4, 0xf4, 0xf4, 0x80, 0x8f, 0x80, 0xbf, 0x80, 0xbf}};
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++) {
        int n = TABLE[i][0], k = 0;
        while (k < n && p[k] >= TABLE[i][1 + 2 * k] && p[k] <= TABLE[i][2 + 2 * k])
            k++;
        if (k == n)
            return n;
    }
    return 0;
}

/* Four bytes of all kinds in the middle of a text above ASCII, at each place of a block. */
static void test_utf8_in_blocks(void **state)
{
    (void)state;
    static const unsigned char KINDS[] = {0x20, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff};
    enum { COUNT = sizeof KINDS, TEXT = 140 };
    unsigned char text[TEXT + 1];
    unsigned long refused = 0, rounds = 0;
    for (int at = 30; at < 64; at++)
        for (int lead = 0x7f; lead < 0x100; lead++)
            for (int i = 0; i < COUNT * COUNT * COUNT; i += at % 8 ? 7 : 1) {
                memset(text, 'a', TEXT);
                memcpy(text, "\"\xc3\xa9", 3);
                text[TEXT - 1] = '"';
                text[at] = (unsigned char)lead;
                text[at + 1] = KINDS[i % COUNT];
                text[at + 2] = KINDS[i / COUNT % COUNT];
                text[at + 3] = KINDS[i / COUNT / COUNT];
                int p = at, n = 1;
                while (p < at + 4 && (n = sequence(text + p)) > 0)
                    p += n;
                bool is_valid = json_validate(str_n((const char *)text, TEXT), NULL) == 0;
                if (is_valid != (n > 0))
                    fail_msg("%02x %02x %02x %02x at %d", text[at], text[at + 1], text[at + 2], text[at + 3], at);
                refused += !is_valid;
                rounds++;
            }
    assert_true(refused > 0 && refused < rounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_strings),
        cmocka_unit_test(test_utf8_in_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
