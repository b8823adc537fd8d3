/* Signature Version 4 against what AWS published: the documented example and cases of its test suite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/sigv4.h"

/* 2015-08-30T12:36:00Z, the moment of all of them. */
enum { NOW = 1440938160 };

#define SCOPE(service) "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/" service "/aws4_request, "

static const char session[] =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthA"
    "x7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q"
    "6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

static struct sigv4_key key_of(const char *service)
{
    return (struct sigv4_key){.id = "AKIDEXAMPLE",
                              .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                              .region = "us-east-1",
                              .service = service};
}

static void assert_signs(struct sigv4_key key, struct sigv4_request request, const char *expected)
{
    struct sigv4 signature;
    assert_int_equal(sigv4_sign(&signature, &key, &request, NOW), 0);
    assert_string_equal(signature.date, "20150830T123600Z");
    assert_string_equal(signature.authorization, expected);
}

static void signs_the_documented_example(void **state)
{
    (void)state;
    struct sigv4_field fields[] = {
        {"host", str_of("iam.amazonaws.com")},
        {"content-type", str_of("application/x-www-form-urlencoded; charset=utf-8")},
    };
    assert_signs(key_of("iam"),
                 (struct sigv4_request){.method = str_of("GET"),
                                        .path = str_of("/"),
                                        .query = str_of("Action=ListUsers&Version=2010-05-08"),
                                        .fields = fields,
                                        .count = 2},
                 SCOPE("iam") "SignedHeaders=content-type;host;x-amz-date, "
                              "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

static const struct sigv4_field suite_host[] = {{"host", {"example.amazonaws.com", 21}}};

static void signs_the_suite(void **state)
{
    (void)state;
    const struct {
        const char *method, *path, *query, *signature;
    } cases[] = {
        {"GET", "/", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"POST", "/", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        {"GET", "/", "Param1=value1&Param2=value2",
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"GET", "/\xe1\x88\xb4", "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256];
        snprintf(expected, sizeof expected, SCOPE("service") "SignedHeaders=host;x-amz-date, Signature=%s",
                 cases[i].signature);
        assert_signs(key_of("service"),
                     (struct sigv4_request){.method = str_of(cases[i].method),
                                            .path = str_of(cases[i].path),
                                            .query = str_of(cases[i].query),
                                            .fields = suite_host,
                                            .count = 1},
                     expected);
    }
}

static void signs_a_body(void **state)
{
    (void)state;
    struct sigv4_field fields[] = {{"content-type", str_of("application/x-www-form-urlencoded")}, suite_host[0]};
    assert_signs(key_of("service"),
                 (struct sigv4_request){.method = str_of("POST"),
                                        .path = str_of("/"),
                                        .body = str_of("Param1=value1"),
                                        .fields = fields,
                                        .count = 2},
                 SCOPE("service") "SignedHeaders=content-type;host;x-amz-date, "
                                  "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

static void signs_a_session(void **state)
{
    (void)state;
    struct sigv4_key key = key_of("service");
    key.session = session;
    assert_signs(key,
                 (struct sigv4_request){
                     .method = str_of("POST"), .path = str_of("/"), .fields = suite_host, .count = 1},
                 SCOPE("service") "SignedHeaders=host;x-amz-date;x-amz-security-token, "
                                  "Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
}

static void refuses_what_is_too_long(void **state)
{
    (void)state;
    struct sigv4 signature;
    struct sigv4_key key = key_of("service");
    static char path[17 * 1024];
    memset(path, '/', sizeof path);
    struct sigv4_request request = {
        .method = str_of("GET"), .path = str_n(path, sizeof path), .fields = suite_host, .count = 1};
    assert_int_equal(sigv4_sign(&signature, &key, &request, NOW), -1);
    request.path = str_of("/");
    assert_int_equal(sigv4_sign(&signature, &key, &request, NOW), 0);
    request.count = SIGV4_FIELDS;
    assert_int_equal(sigv4_sign(&signature, &key, &request, NOW), -1);
    request.count = 1;
    path[300] = '\0';
    key.region = path;
    assert_int_equal(sigv4_sign(&signature, &key, &request, NOW), -1);
    key.region = "us-east-1";
    key.secret = path;
    assert_int_equal(sigv4_sign(&signature, &key, &request, NOW), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_the_documented_example), cmocka_unit_test(signs_the_suite),
        cmocka_unit_test(signs_a_body),                 cmocka_unit_test(signs_a_session),
        cmocka_unit_test(refuses_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
