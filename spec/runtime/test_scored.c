/* Which scores were given: remembered over a new opening, forgotten only far behind the newest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "trace/scored.h"
#include "trace_folder.h"

enum { NEWEST = 1000000, OTHERS = 2000000 };

static struct scored *open_in(const char *dir)
{
    struct err err;
    struct scored *s = scored_open(dir, &err);
    if (s == NULL)
        fail_msg("%s", err.message);
    return s;
}

static void test_reopened(void **state)
{
    struct str id = str_of("1k0x1fcbtbc00"), other = str_of("1k0x1fcbtbc01"), metric = str_of("ok");
    struct scored *s = open_in(*state);
    assert_false(scored_has(s, id, metric));
    scored_mark(s, id, metric);
    struct scored *second = open_in(*state); /* another worker's */
    assert_true(scored_has(second, id, metric));
    scored_close(second);
    scored_close(s);
    s = open_in(*state);
    assert_true(scored_has(s, id, metric));
    assert_false(scored_has(s, other, metric));
    assert_false(scored_has(s, id, str_of("o")));
    scored_close(s);
}

static struct str id_of(unsigned i, char out[20])
{
    return str_n(out, (size_t)snprintf(out, 20, "1k0x%09u", i));
}

/* Twice as many as it is said to hold, and as many again that never were. */
static void test_newest(void **state)
{
    char text[20];
    unsigned forgotten = 0, invented = 0;
    struct str metric = str_of("task_ok");
    struct scored *s = open_in(*state);
    for (unsigned i = 0; i < NEWEST + OTHERS; i++)
        scored_mark(s, id_of(i, text), metric);
    for (unsigned i = OTHERS; i < NEWEST + OTHERS; i++)
        forgotten += !scored_has(s, id_of(i, text), metric);
    for (unsigned i = NEWEST + OTHERS; i < NEWEST + 2 * OTHERS; i++)
        invented += scored_has(s, id_of(i, text), metric);
    print_message("%u of the newest %d forgotten, %u of %d invented\n", forgotten, NEWEST, invented, OTHERS);
    assert_in_range(forgotten, 0, 20);
    assert_in_range(invented, 0, 1);
    scored_close(s);
}

static void test_no_folder(void **state)
{
    struct err err;
    char path[4096];
    snprintf(path, sizeof path, "%s/none", (const char *)*state);
    assert_null(scored_open(path, &err));
    assert_non_null(strstr(err.message, "none/scored"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reopened, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_newest, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_no_folder, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
