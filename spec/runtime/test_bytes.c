/* Runs of bytes: buffers with their ceilings, texts joined in an arena, hexadecimal digits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/hex.h"

/* Whatever was there before, the bytes are followed by a NUL and the ceiling holds. */
static void test_append(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'x', sizeof text);
    for (size_t first = 0; first < 300; first++) {
        struct buf b = BUF(512);
        assert_int_equal(buf_append(&b, text, first), 0);
        assert_int_equal(buf_append(&b, text, 512 - first + 1), -1);
        assert_int_equal(b.len, first);
        assert_int_equal(buf_append(&b, text, 512 - first), 0);
        assert_int_equal(b.len, 512);
        assert_int_equal(b.p[512], '\0');
        assert_int_equal(buf_putc(&b, 'y'), -1);
        buf_consume(&b, first + 1);
        assert_int_equal(buf_append(&b, "end", 3), first >= 2 ? 0 : -1);
        assert_int_equal(b.p[b.len], '\0');
        buf_clear(&b);
    }
}

static void test_concat(void **state)
{
    (void)state;
    struct arena arena = ARENA(64);
    const struct str parts[] = {STR("one"), {NULL, 0}, STR(", "), STR(""), STR("two")};
    struct str joined = arena_concat(&arena, parts, 5);
    assert_int_equal(joined.len, 8);
    assert_string_equal(joined.p, "one, two");
    const struct str over[] = {STR("0123456789012345678901234567890123456789"), STR("0123456789")};
    assert_null(arena_concat(&arena, over, 2).p);
    arena_clear(&arena);
}

static void test_hex(void **state)
{
    (void)state;
    uint64_t n = 0;
    for (int i = 0; i < 2000; i++, n = n * 6364136223846793005u + 1442695040888963407u) {
        char out[17] = "", wanted[17];
        hex_put(n, out);
        snprintf(wanted, sizeof wanted, "%016llx", (unsigned long long)n);
        assert_string_equal(out, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
