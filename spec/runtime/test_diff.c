#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/diff.h"

static void expect(const char *before, const char *after, const char *diff)
{
    struct buf out = BUF(1 << 20);
    assert_int_equal(diff_write(&out, str_of(before), str_of(after)), 0);
    assert_string_equal(out.p ? out.p : "", diff);
    buf_clear(&out);
}

static void equal_texts_have_none(void **state)
{
    (void)state;
    expect("", "", "");
    expect("a\nb\n", "a\nb\n", "");
}

static void a_changed_line_has_its_context(void **state)
{
    (void)state;
    expect("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
           "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

static void added_and_removed_files_are_one_hunk(void **state)
{
    (void)state;
    expect("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n");
    expect("a\n", "", "@@ -1,1 +0,0 @@\n-a\n");
}

static void near_changes_share_a_hunk_and_far_ones_do_not(void **state)
{
    (void)state;
    expect("a\n1\n2\n3\nb\n", "A\n1\n2\n3\nB\n", "@@ -1,5 +1,5 @@\n-a\n+A\n 1\n 2\n 3\n-b\n+B\n");
    expect("a\n1\n2\n3\n4\n5\n6\n7\n8\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\n8\nB\n",
           "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -7,4 +7,4 @@\n 6\n 7\n 8\n-b\n+B\n");
}

static void moved_lines_keep_what_is_common(void **state)
{
    (void)state;
    expect("x\na\nb\n", "a\nb\ny\n", "@@ -1,3 +1,3 @@\n-x\n a\n b\n+y\n");
}

static void a_ceiling_is_an_error(void **state)
{
    (void)state;
    struct buf out = BUF(10);
    assert_int_equal(diff_write(&out, str_of("a\n"), str_of("b\n")), -1);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_none),
        cmocka_unit_test(a_changed_line_has_its_context),
        cmocka_unit_test(added_and_removed_files_are_one_hunk),
        cmocka_unit_test(near_changes_share_a_hunk_and_far_ones_do_not),
        cmocka_unit_test(moved_lines_keep_what_is_common),
        cmocka_unit_test(a_ceiling_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
