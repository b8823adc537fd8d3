/* upstream over TLS and through proxies. Certificates are made here; tinyproxy and microsocks are the proxies. */
#include "acme.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tls.h"

static struct tls_lab lab;
static struct tls_server server;

static int open_lab(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL); /* no write of a client may raise it */
    tls_open(&lab);
    return 0;
}

static int close_lab(void **state)
{
    (void)state;
    tls_close(&lab);
    return 0;
}

static int open_stage(void **state)
{
    (void)state;
    stage_open();
    up = upstream_new(stage.loop);
    probe_open(&probe, upstream_transport(up));
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    probe_close(&probe);
    upstream_free(up);
    stage_close();
    return 0;
}

static void serve(struct tls_server script)
{
    server = script;
    if (server.name == NULL)
        server.name = "DNS:localhost,IP:127.0.0.1";
    tls_serve(&server, &lab);
    snprintf(base_url, sizeof base_url, "https://localhost:%d", server.port);
    to = (struct endpoint){.name = "acme", .base_url = base_url, .ca_file = lab.ca};
}

/* The server's thread waits for its connection's end before it can stop. */
static void stop(void)
{
    upstream_free(up);
    up = upstream_new(stage.loop);
    probe.transport = upstream_transport(up);
    tls_stop(&server);
}

static void test_right_authority(void **state)
{
    (void)state;
    serve((struct tls_server){.say = OK_HI});
    for (int i = 0; i < 4; i++) {
        acme_ask();
        expect_reply(200, "hi");
    }
    assert_int_equal(upstream_counts(up).reused, 3);
    assert_int_equal(upstream_counts(up).idle, 1);
    stop();
    assert_int_equal(server.accepted, 1);
    assert_int_equal(server.requests, 4);
}

static void expect_no_trust(struct tls_server script, const char *url, const char *ca,
                            const char *words)
{
    serve(script);
    snprintf(base_url, sizeof base_url, "https://%s:%d", url, server.port);
    to.ca_file = ca;
    acme_ask();
    expect_failure(ERR_CONNECT, words);
    assert_int_equal(upstream_counts(up).open, 0);
    stop();
    assert_int_equal(server.requests, 0);
}

static void test_wrong_authority_name_and_time(void **state)
{
    (void)state;
    expect_no_trust((struct tls_server){.say = OK_HI}, "localhost", lab.other_ca,
                    "SSL certificate problem");
    expect_no_trust((struct tls_server){.say = OK_HI}, "localhost", NULL,
                    "SSL certificate problem");
    expect_no_trust((struct tls_server){.say = OK_HI, .name = "DNS:example.com"}, "localhost",
                    lab.ca, "no alternative certificate subject name matches");
    expect_no_trust((struct tls_server){.say = OK_HI, .name = "DNS:localhost"}, "127.0.0.1", lab.ca,
                    "no alternative certificate subject name matches");
    expect_no_trust((struct tls_server){.say = OK_HI, .is_expired = true}, "localhost", lab.ca,
                    "expired");
    expect_no_trust((struct tls_server){.say = OK_HI}, "localhost", "/nonexistent/ca.pem",
                    "/nonexistent/ca.pem");
}

static void copy(const char *from, const char *into)
{
    char bytes[8192];
    FILE *in = fopen(from, "r"), *out = fopen(into, "w");
    size_t len = fread(bytes, 1, sizeof bytes, in);
    assert_true(len > 0 && fwrite(bytes, 1, len, out) == len);
    fclose(in);
    fclose(out);
}

static void test_changed_authorities_are_loaded(void **state)
{
    (void)state;
    char path[96], fresh[96];
    snprintf(path, sizeof path, "%s/changing.pem", lab.folder);
    snprintf(fresh, sizeof fresh, "%s/fresh.pem", lab.folder);
    copy(lab.other_ca, path);
    serve((struct tls_server){.say = OK_HI});
    to.ca_file = path;
    acme_ask();
    expect_failure(ERR_CONNECT, "SSL certificate problem");
    copy(lab.ca, fresh);
    assert_int_equal(rename(fresh, path), 0);
    acme_ask();
    expect_reply(200, "hi");
    stop();
    unlink(path);
}

enum { MANY = 130 }; /* several multis, and the last one with room */

static bool are_open(void *arg)
{
    (void)arg;
    return upstream_counts(up).opened >= *(unsigned *)arg;
}

static void test_many_handles(void **state)
{
    (void)state;
    struct probe probes[MANY];
    serve((struct tls_server){.holds = true});
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            probe_open(&probes[i], upstream_transport(up));
            probe_start(&probes[i], &to, &GET);
        }
        for (int i = 0; i < MANY; i += 3) /* some in the middle of opening */
            probes[i].transport->cancel(probes[i].call);
        unsigned opened = (unsigned)(round + 1) * (MANY - (MANY + 2) / 3);
        assert_true(stage_await(are_open, &opened));
        for (int i = 0; i < MANY; i++)
            if (i % 3 != 0)
                probes[i].transport->cancel(probes[i].call);
        assert_int_equal(upstream_counts(up).open, 0);
    }
    stop();
}

static void test_until_close_needs_close_notify(void **state)
{
    (void)state;
    serve((struct tls_server){.say = "HTTP/1.1 200 OK\r\n\r\nall of it", .ending = TLS_NOTIFY});
    acme_ask();
    expect_reply(200, "all of it");
    stop();
    serve((struct tls_server){.say = "HTTP/1.1 200 OK\r\n\r\nall of it", .ending = TLS_ABRUPT});
    acme_ask();
    expect_failure(ERR_CUT, "inside the reply");
    stop();
}

static void test_dead_reused_connection(void **state)
{
    (void)state;
    serve((struct tls_server){.say = OK_HI, .ending = TLS_ABRUPT});
    for (int i = 0; i < 3; i++) {
        acme_ask();
        expect_reply(200, "hi");
    }
    stop();
    assert_int_equal(server.accepted, 3);
    assert_int_equal(server.resumed, 2);
}

static void test_bytes_after_the_reply(void **state)
{
    (void)state;
    serve((struct tls_server){.say = OK_HI OK_HI});
    acme_ask();
    expect_reply(200, "hi");
    assert_int_equal(upstream_counts(up).open, 0);
    stop();
}

static void test_large_both_ways(void **state)
{
    (void)state;
    enum { FLOOD = 5 << 20, PIECE = 500 * 1000 };
    serve((struct tls_server){.say = "HTTP/1.1 200 OK\r\nContent-Length: 5242880\r\n\r\n",
                              .flood = FLOOD});
    char *bytes = calloc(1, PIECE);
    struct iovec body[9];
    for (int i = 0; i < 9; i++)
        body[i] = (struct iovec){bytes, PIECE};
    struct call_request post = {
        .method = "POST", .path = str_of("/"), .body = body, .body_count = 9};
    probe.is_forgetful = true;
    for (int i = 0; i < 2; i++) {
        probe_start(&probe, &to, &post);
        assert_true(stage_await(probe_is_done, &probe));
        assert_int_equal(probe.ends, 1);
        assert_int_equal(probe.bytes, FLOOD);
    }
    stop();
    assert_int_equal(server.accepted, 1);
    assert_true(server.received > 2 * 9 * PIECE);
    free(bytes);
}

static bool has_head(void *arg)
{
    (void)arg;
    return probe.heads > 0;
}

static void test_pause_holds_what_tls_has_read(void **state)
{
    (void)state;
    enum { FLOOD = 4 << 20 };
    serve((struct tls_server){.say = "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n",
                              .flood = FLOOD});
    probe.is_forgetful = probe.pauses_at_head = true;
    probe_start(&probe, &to, &GET);
    assert_true(stage_await(has_head, NULL));
    size_t seen = probe.bytes;
    assert_true(seen <= 64 * 1024);
    for (; probe.ends == 0; seen = probe.bytes) { /* a pause after every read */
        size_t more = seen + 1;
        probe.transport->resume(probe.call);
        assert_true(stage_await(has_bytes, &more));
        if (probe.call)
            probe.transport->pause(probe.call);
        if (probe.bytes == FLOOD && probe.call) {
            probe.transport->resume(probe.call);
            assert_true(stage_await(probe_is_done, &probe));
        }
    }
    assert_int_equal(probe.bytes, FLOOD);
    stop();
}

static void test_deadline_and_cancel(void **state)
{
    (void)state;
    serve((struct tls_server){.say = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"});
    acme_ask_within((struct call_deadlines){.idle = 50});
    expect_failure(ERR_TIMEOUT, "idle deadline");
    probe_start(&probe, &to, &GET); /* cancelled in the middle of the handshake */
    probe.transport->cancel(probe.call);
    assert_int_equal(upstream_counts(up).open, 0);
    stop();
}

static void test_not_tls(void **state)
{
    (void)state;
    SCRIPT({.say = "HTTP/1.1 400 Bad Request\r\n\r\n", .is_early = true, .closes = true});
    snprintf(base_url, sizeof base_url, "https://127.0.0.1:%d", peer.port);
    acme_ask();
    expect_failure(ERR_CONNECT, "SSL");
    peer_close(&peer);
}

/* ---- proxies ---- */

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (void *)&at, sizeof at) < 0 || getsockname(fd, (void *)&at, &len) < 0)
        abort();
    close(fd);
    return ntohs(at.sin_port);
}

static bool answers(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = connect(fd, (void *)&at, sizeof at) == 0;
    close(fd);
    return is_there;
}

/* Runs a program until it listens; 0 when it is not installed. */
static pid_t run(char *const argv[], int port)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(126);
        execvp(argv[0], argv);
        _exit(127);
    }
    for (int i = 0; i < 1000; i++) {
        if (answers(port))
            return pid;
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return 0;
        poll(NULL, 0, 5);
    }
    abort();
}

static void stop_program(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* The same exchanges through a proxy: https with the right and the wrong authority, and plain. */
/* By address: a proxy that resolves localhost may take it for ::1, where nobody listens. */
static void serve_behind(const char *proxy)
{
    serve((struct tls_server){.say = OK_HI});
    snprintf(base_url, sizeof base_url, "https://127.0.0.1:%d", server.port);
    to.proxy = proxy;
}

static void expect_through(const char *proxy)
{
    serve_behind(proxy);
    for (int i = 0; i < 2; i++) {
        acme_ask();
        expect_reply(200, "hi");
    }
    stop();
    assert_int_equal(server.accepted, 1);
    assert_int_equal(server.requests, 2);
    serve_behind(proxy);
    to.ca_file = lab.other_ca;
    acme_ask();
    expect_failure(ERR_CONNECT, "SSL certificate problem");
    stop();
    SCRIPT({.say = OK_HI});
    to.proxy = proxy;
    for (int i = 0; i < 2; i++) {
        acme_ask();
        expect_reply(200, "hi");
    }
    assert_int_equal(peer.accepted, 1);
    peer_close(&peer);
}

static void test_http_proxy(void **state)
{
    (void)state;
    char conf[96], proxy[64];
    int port = free_port();
    snprintf(conf, sizeof conf, "%s/tinyproxy.conf", lab.folder);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", port);
    FILE *file = fopen(conf, "w");
    fprintf(file, "Port %d\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nLogLevel Critical\n",
            port);
    fclose(file);
    pid_t pid = run((char *[]){"tinyproxy", "-d", "-c", conf, NULL}, port);
    unlink(conf);
    if (pid == 0) {
        print_message("skipped: tinyproxy is not installed\n");
        return;
    }
    setenv("no_proxy", "*", 1); /* does not lead around the proxy */
    expect_through(proxy);
    unsetenv("no_proxy");
    stop_program(pid);
    serve((struct tls_server){.say = OK_HI});
    to.proxy = proxy;
    acme_ask();
    expect_failure(ERR_CONNECT, "Failed to connect to 127.0.0.1");
    stop();
}

static void test_socks_proxy(void **state)
{
    (void)state;
    char text[16], proxy[64];
    int port = free_port();
    snprintf(text, sizeof text, "%d", port);
    pid_t pid = run((char *[]){"microsocks", "-i", "127.0.0.1", "-p", text, NULL}, port);
    if (pid == 0) {
        print_message("skipped: microsocks is not installed\n");
        return;
    }
    snprintf(proxy, sizeof proxy, "socks5h://127.0.0.1:%d", port);
    expect_through(proxy);
    snprintf(proxy, sizeof proxy, "socks5://127.0.0.1:%d", port);
    expect_through(proxy);
    stop_program(pid);
}

static void test_proxy_that_refuses(void **state)
{
    (void)state;
    char proxy[64];
    SCRIPT({.say = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", peer.port);
    to.base_url = "https://api.example.com/v1";
    to.proxy = proxy;
    acme_ask();
    expect_failure(ERR_CONNECT, "403");
    assert_int_equal(strncmp(peer.seen.p, "CONNECT api.example.com:443 HTTP/1.1\r\n", 38), 0);
    peer_close(&peer);
}

static void test_environment_proxies_are_ignored(void **state)
{
    (void)state;
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    serve((struct tls_server){.say = OK_HI});
    acme_ask();
    expect_reply(200, "hi");
    stop();
    unsetenv("https_proxy");
    unsetenv("ALL_PROXY");
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_right_authority),
        TEST(test_wrong_authority_name_and_time),
        TEST(test_changed_authorities_are_loaded),
        TEST(test_many_handles),
        TEST(test_until_close_needs_close_notify),
        TEST(test_dead_reused_connection),
        TEST(test_bytes_after_the_reply),
        TEST(test_large_both_ways),
        TEST(test_pause_holds_what_tls_has_read),
        TEST(test_deadline_and_cancel),
        TEST(test_not_tls),
        TEST(test_http_proxy),
        TEST(test_socks_proxy),
        TEST(test_proxy_that_refuses),
        TEST(test_environment_proxies_are_ignored),
    };
    return cmocka_run_group_tests(tests, open_lab, close_lab);
}
