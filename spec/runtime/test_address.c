/* Outbound addresses: the rule on resolved addresses, and spellings in base_url, none of which may open a connection. */
#include "acme.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "net/address.h"
#include "net/target.h"

static bool may(const char *text, bool literal, bool is_private)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return address_may_connect((void *)&v4, literal, is_private);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_may_connect((void *)&v6, literal, is_private);
}

static const char *const SPECIAL[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.1.2.3",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:a9fe:a9fe::",
    "2002:c0a8:101::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
};

static const char *const PUBLIC[] = {
    "1.1.1.1",         "8.8.8.8",         "9.255.255.255",
    "11.0.0.0",        "100.63.255.255",  "100.128.0.0",
    "126.255.255.255", "128.0.0.1",       "169.253.0.1",
    "172.15.255.255",  "172.32.0.0",      "192.0.1.1",
    "192.167.0.1",     "198.17.0.1",      "198.20.0.1",
    "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888",
    "2a00::1",         "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8",
    "2002:808:808::1",
};

static void test_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SPECIAL / sizeof *SPECIAL; i++) {
        if (may(SPECIAL[i], false, false))
            fail_msg("%s passes", SPECIAL[i]);
        assert_true(may(SPECIAL[i], true, false));
        assert_true(may(SPECIAL[i], false, true));
    }
    for (size_t i = 0; i < sizeof PUBLIC / sizeof *PUBLIC; i++)
        if (!may(PUBLIC[i], false, false))
            fail_msg("%s is refused", PUBLIC[i]);
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_false(address_may_connect(&other, true, true));
}

static bool is_literal(const char *host)
{
    char url[300];
    struct target t;
    struct err err;
    snprintf(url, sizeof url, "http://%s/", host);
    struct endpoint at = {.name = "acme", .base_url = url};
    if (target_init(&t, &at, &err) < 0)
        return false;
    bool literal = t.is_literal;
    target_clear(&t);
    return literal;
}

static void test_what_is_as_written(void **state)
{
    (void)state;
    static const char *const LITERAL[] = {"127.0.0.1",   "127.0.0.1:80",      "[::1]",
                                          "[::1]:8080",  "10.0.0.1",          "localhost",
                                          "localhost:1", "[::ffff:127.0.0.1]"};
    static const char *const NAMED[] = {
        "127.1",          "127.0.0.1.", "0177.0.0.1", "0x7f.1",
        "2130706433",     "Localhost",  "localhost.", "localhost.localdomain",
        "api.openai.com", "127.0.0.01", "[127.0.0.1]"};
    for (size_t i = 0; i < sizeof LITERAL / sizeof *LITERAL; i++)
        if (!is_literal(LITERAL[i]))
            fail_msg("%s is no literal", LITERAL[i]);
    for (size_t i = 0; i < sizeof NAMED / sizeof *NAMED; i++)
        if (is_literal(NAMED[i]))
            fail_msg("%s is a literal", NAMED[i]);
}

/* Spellings of this machine that are not "as written"; PORT is the listening peer's. */
static const char *const PROBES[] = {
    "127.1:PORT",
    "127.0.1:PORT",
    "127.0.0.1.:PORT",
    "2130706433:PORT",
    "0x7f000001:PORT",
    "0X7F000001:PORT",
    "0x7f.1:PORT",
    "0x7f.0x0.0x0.0x1:PORT",
    "017700000001:PORT",
    "0177.1:PORT",
    "0177.0.0.1:PORT",
    "0177.0.0.01:PORT",
    "127.0.0.01:PORT",
    "127.00.0.1:PORT",
    "127.0x0.0.1:PORT",
    "0x7f.0.0.1:PORT",
    "127.0.0.0x1:PORT",
    "127.0.257:PORT",
    "127.65793:PORT",
    "0:PORT",
    "0.0:PORT",
    "0x0:PORT",
    "00:PORT",
    "0.0.0.0.:PORT",
    "localhost.:PORT",
    "LOCALHOST:PORT",
    "Localhost:PORT",
    "localhosT:PORT",
    "a.localhost:PORT",
    "localhost.localdomain:PORT",
    "ip6-localhost:PORT",
    "ip6-loopback:PORT",
    "a@127.0.0.1:PORT",
    "127.0.0.1@127.0.0.1:PORT",
    "api.openai.com@127.0.0.1:PORT",
    "127.0.0.1:PORT@x:PORT",
    "127.0.0.1%00:PORT",
    "%31%32%37.0.0.1:PORT",
    "127%2e0%2e0%2e1:PORT",
    "127.0.0.1%2f:PORT",
    "127.0.0.1#@x:PORT",
    "x#@127.0.0.1:PORT",
    "x?@127.0.0.1:PORT",
    "x\\@127.0.0.1:PORT",
    "127.0.0.1\\@x:PORT",
    " 127.0.0.1:PORT",
    "127.0.0.1 :PORT",
    "127.0.0.1\t:PORT",
    "127.0.0.1\r\nHost: x:PORT",
    "\xef\xbc\x91"
    "27.0.0.1:PORT",
    "127\xe3\x80\x82"
    "0\xe3\x80\x82"
    "0\xe3\x80\x82"
    "1:PORT",
    "\xe2\x93\x9bocalhost:PORT",
    "[127.0.0.1]:PORT",
    "[::1%25lo]:PORT",
    "[::1%lo]:PORT",
    "[fe80::1%251]:PORT",
    "[::1]x:PORT",
    "[::1:PORT",
    "::1:PORT",
    "[]:PORT",
    "[::ffff:127.1]:PORT",
    "[0:0:0:0:0:0:0:0:1]:PORT",
    "[v1.x]:PORT",
    ":PORT",
    "/127.0.0.1:PORT",
    "127.0.0.1:0PORTx",
    "127.0.0.1:-PORT",
    "127.0.0.1:+PORT",
    "127.0.0.1::PORT",
    "127.0.0.1:99999",
    "1.1.1.1@[::1]:PORT",
    "127.0.0.1,x:PORT",
    "127.0.0.1;x:PORT",
    "(127.0.0.1):PORT",
    "\"127.0.0.1\":PORT",
    "HTTP://127.0.0.1:PORT",
};

static void write_probe(char *out, size_t size, const char *scheme, const char *text)
{
    char port[8];
    snprintf(port, sizeof port, "%d", peer.port);
    const char *at = strstr(text, "PORT");
    int head = at ? (int)(at - text) : (int)strlen(text);
    snprintf(out, size, "%s%.*s%s%s", scheme, head, text, at ? port : "", at ? at + 4 : "");
}

static void test_probes_open_nothing(void **state)
{
    (void)state;
    char url[256];
    SCRIPT({.say = OK_HI});
    assert_true(sizeof PROBES / sizeof *PROBES >= 60);
    for (size_t i = 0; i < sizeof PROBES / sizeof *PROBES; i++) {
        write_probe(url, sizeof url, "http://", PROBES[i]);
        to = (struct endpoint){.name = "acme", .base_url = url};
        acme_ask();
        if (probe.failures != 1 || peer.accepted != 0)
            fail_msg("%s came through", url);
        if (probe.err.kind != ERR_CONNECT)
            fail_msg("%s: %s", url, probe.err.message);
    }
    assert_int_equal(upstream_counts(up).open, 0);
    assert_true(upstream_counts(up).refused_address >= 20);
}

static void test_probes_as_proxies_open_nothing(void **state)
{
    (void)state;
    char proxy[256];
    SCRIPT({.say = OK_HI});
    for (size_t i = 0; i < sizeof PROBES / sizeof *PROBES; i++) {
        if (strchr(PROBES[i], '@')) /* a proxy may carry a name and password */
            continue;
        write_probe(proxy, sizeof proxy, "http://", PROBES[i]);
        to =
            (struct endpoint){.name = "acme", .base_url = "http://api.example.com", .proxy = proxy};
        acme_ask();
        if (probe.failures != 1 || peer.accepted != 0 || probe.err.kind != ERR_CONNECT)
            fail_msg("%s came through", proxy);
    }
    assert_int_equal(upstream_counts(up).open, 0);
}

static void test_refusal_names_what_to_do(void **state)
{
    (void)state;
    SCRIPT({.say = OK_HI});
    snprintf(base_url, sizeof base_url, "http://127.1:%d", peer.port);
    acme_ask();
    expect_failure(ERR_CONNECT, "127.1 resolves to 127.0.0.1");
    expect_failure(ERR_CONNECT, "`private = true`");
    assert_int_equal(upstream_counts(up).refused_address, 1);
    to.is_private = true;
    acme_ask();
    expect_reply(200, "hi");
}

static void test_literal_addresses_connect(void **state)
{
    (void)state;
    static const char *const HOSTS[] = {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"};
    SCRIPT({.say = OK_HI});
    for (int i = 0; i < 3; i++) {
        snprintf(base_url, sizeof base_url, "http://%s:%d", HOSTS[i], peer.port);
        acme_ask();
        expect_reply(200, "hi");
    }
    assert_int_equal(upstream_counts(up).refused_address, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),         cmocka_unit_test(test_what_is_as_written),
        TEST(test_probes_open_nothing),      TEST(test_probes_as_proxies_open_nothing),
        TEST(test_refusal_names_what_to_do), TEST(test_literal_addresses_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
