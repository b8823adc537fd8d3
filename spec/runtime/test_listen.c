/* Listening: what goes wrong is said in words that help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/server.h"

static void listening_says_what_is_wrong(void **state)
{
    (void)state;
    char address[64];
    struct err err;
    int fd = listen_open("127.0.0.1:0", false, &err);
    assert_true(fd >= 0);
    listen_name(fd, address, sizeof address);
    assert_int_equal(listen_open(address, false, &err), -1);
    assert_non_null(strstr(err.message, "is in use"));
    assert_non_null(strstr(err.message, "--listen"));
    static const char *const bad[] = {
        "", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:8x", "::1:80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(listen_open(bad[i], false, &err), -1);
        assert_non_null(strstr(err.message, "HOST:PORT"));
    }
    assert_int_equal(listen_open("192.0.2.1:0", false, &err), -1);
    assert_non_null(strstr(err.message, "no address of this machine"));
    close(fd);
}

static void unix_sockets_replace_only_the_dead(void **state)
{
    (void)state;
    char address[64], name[128];
    struct err err;
    snprintf(address, sizeof address, "unix:/tmp/wye-test-%d.sock", (int)getpid());
    int fd = listen_open(address, false, &err);
    assert_true(fd >= 0);
    assert_string_equal(listen_name(fd, name, sizeof name), address);
    assert_int_equal(listen_open(address, false, &err), -1);
    assert_non_null(strstr(err.message, "in use"));
    close(fd); /* the file stays */
    fd = listen_open(address, false, &err);
    assert_true(fd >= 0);
    close(fd);
    unlink(address + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listening_says_what_is_wrong),
        cmocka_unit_test(unix_sockets_replace_only_the_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
