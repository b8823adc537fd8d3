/* What shadows may spend a day, over many processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/shm.h"
#include "policy/purse.h"

static const uint64_t DAY_US = 86400ull * 1000000;

static void test_days(void **state)
{
    (void)state;
    struct purse p = {0};
    uint64_t now = 20000 * DAY_US + 5;
    assert_true(purse_has(&p, 1, now));
    assert_false(purse_has(&p, 0, now));
    purse_spend(&p, 0.75, now);
    assert_true(purse_has(&p, 1, now));
    purse_spend(&p, 0.25, now + 1000);
    assert_false(purse_has(&p, 1, now + 2000));
    assert_true(purse_has(&p, 1, now + DAY_US));
    purse_spend(&p, 0.5, now + DAY_US);
    assert_true(purse_has(&p, 1, now + DAY_US));
    assert_true(purse_total(&p) == 1.5);
}

static void test_many(void **state)
{
    (void)state;
    enum { CHILDREN = 4, EACH = 5000 };
    struct purse *p = shm_new(sizeof *p);
    for (int i = 0; i < CHILDREN; i++)
        if (fork() == 0) {
            for (int k = 0; k < EACH; k++)
                purse_spend(p, 0.001, DAY_US * 7);
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
    assert_true(purse_total(p) == CHILDREN * EACH * 0.001);
    assert_false(purse_has(p, CHILDREN * EACH * 0.001, DAY_US * 7));
    assert_true(purse_has(p, CHILDREN * EACH * 0.001 + 0.001, DAY_US * 7));
    shm_free(p, sizeof *p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_days), cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
