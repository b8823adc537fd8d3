#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "admin/access.h"

/* The status with which a request of these header lines is refused; 0: let in. */
static int check(const char *address, const char *token, const char *lines)
{
    char text[512];
    static struct http_head head;
    struct http_error error;
    const char *why = NULL;
    size_t scanned = 0;
    struct access a = {.address = address, .token = token};
    int n = snprintf(text, sizeof text, "POST /reload HTTP/1.1\r\n%s\r\n", lines);
    assert_true(http_parse_request(&head, text, (size_t)n, &scanned, &error) > 0);
    int status = access_check(&a, &head, &why);
    if (status)
        assert_non_null(why);
    return status;
}

static void local_names_are_let_in(void **state)
{
    (void)state;
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: 127.0.0.1:9090\r\n"), 0);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: LocalHost\r\n"), 0);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: [::1]:1\r\n"), 0);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: 127.8.9.1\r\n"), 0);
    assert_int_equal(check("unix:/run/wye", NULL, "Host: anything\r\n"), 0);
}

static void other_names_are_not(void **state)
{
    (void)state;
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: evil.example:9090\r\n"), 403);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: 127.0.0.1.evil.example\r\n"), 403);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: localhost.evil.example\r\n"), 403);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: 10.0.0.1\r\n"), 403);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: [::2]:9090\r\n"), 403);
}

static void another_sites_origin_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: 127.0.0.1:9090\r\nOrigin: http://127.0.0.1:9090\r\n"), 0);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: 127.0.0.1:9090\r\nOrigin: http://127.0.0.1:8080\r\n"), 403);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: 127.0.0.1:9090\r\nOrigin: null\r\n"), 403);
    assert_int_equal(check("127.0.0.1:9090", NULL, "Host: 127.0.0.1:9090\r\nOrigin: http://127.0.0.1:9090.evil\r\n"), 403);
    assert_int_equal(check("unix:/run/wye", NULL, "Host: x\r\nOrigin: http://y\r\n"), 403);
}

static void a_token_opens_other_addresses(void **state)
{
    (void)state;
    assert_int_equal(check("10.0.0.1:9090", "s3cret", "Host: admin.example\r\nAuthorization: Bearer s3cret\r\n"), 0);
    assert_int_equal(check("10.0.0.1:9090", "s3cret", "Host: admin.example\r\n"), 401);
    assert_int_equal(check("10.0.0.1:9090", "s3cret", "Host: admin.example\r\nAuthorization: Bearer s3crex\r\n"), 401);
    assert_int_equal(check("10.0.0.1:9090", "s3cret", "Host: admin.example\r\nAuthorization: Bearer s3cret1\r\n"), 401);
    assert_int_equal(check("10.0.0.1:9090", "s3cret", "Host: admin.example\r\nAuthorization: Basic s3cret0\r\n"), 401);
}

static void loopback_and_unix_sockets_are_local(void **state)
{
    (void)state;
    assert_true(access_is_local(str_of("127.0.0.1:9090")));
    assert_true(access_is_local(str_of("localhost:0")));
    assert_true(access_is_local(str_of("[::1]:9090")));
    assert_true(access_is_local(str_of("unix:/run/wye.sock")));
    assert_false(access_is_local(str_of("0.0.0.0:9090")));
    assert_false(access_is_local(str_of(":9090")));
    assert_false(access_is_local(str_of("[::]:9090")));
    assert_false(access_is_local(str_of("10.1.2.3:9090")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_names_are_let_in),
        cmocka_unit_test(other_names_are_not),
        cmocka_unit_test(another_sites_origin_is_refused),
        cmocka_unit_test(a_token_opens_other_addresses),
        cmocka_unit_test(loopback_and_unix_sockets_are_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
