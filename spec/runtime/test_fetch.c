/* fetch against a scripted peer in a thread: what it sends, what it returns, and how it tells failures apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/fetch.h"

struct peer {
    int fd;
    pthread_t thread;
    const char *answer; /* NULL: none until the client leaves */
    char seen[4096];
    char address[128];
};

static void *serve_one(void *arg)
{
    struct peer *peer = arg;
    int fd = accept(peer->fd, NULL, NULL);
    size_t len = 0;
    for (ssize_t n; (n = recv(fd, peer->seen + len, sizeof peer->seen - 1 - len, 0)) > 0;) {
        len += (size_t)n;
        peer->seen[len] = '\0';
        char *head = strstr(peer->seen, "\r\n\r\n"),
             *length = strstr(peer->seen, "Content-Length: ");
        size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
        if (peer->answer && head && len >= (size_t)(head - peer->seen) + 4 + body)
            break;
    }
    if (peer->answer && send(fd, peer->answer, strlen(peer->answer), MSG_NOSIGNAL) < 0)
        peer->seen[0] = '\0';
    close(fd);
    return NULL;
}

static void peer_open(struct peer *peer, const char *answer)
{
    *peer = (struct peer){.answer = answer};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(peer->fd, (void *)&at, sizeof at), 0);
    assert_int_equal(listen(peer->fd, 4), 0);
    assert_int_equal(getsockname(peer->fd, (void *)&at, &len), 0);
    snprintf(peer->address, sizeof peer->address, "127.0.0.1:%d", ntohs(at.sin_port));
    pthread_create(&peer->thread, NULL, serve_one, peer);
}

static void peer_close(struct peer *peer)
{
    pthread_join(peer->thread, NULL);
    close(peer->fd);
}

static void test_get(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello");
    struct buf reply = BUF(100);
    struct err err = {0};
    int status = 0;
    assert_int_equal(fetch(peer.address, "GET", "/status?a=b", str_of(NULL), "secret", 5000, &reply,
                           &status, &err),
                     0);
    peer_close(&peer);
    assert_int_equal(status, 404);
    assert_string_equal(reply.p, "hello");
    assert_int_equal(strncmp(peer.seen, "GET /status?a=b HTTP/1.1\r\n", 26), 0);
    assert_non_null(strstr(peer.seen, "Authorization: Bearer secret\r\n"));
    buf_clear(&reply);
}

static void test_post_without_environment_proxy(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    struct peer peer;
    peer_open(&peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    struct buf reply = BUF(100);
    struct err err = {0};
    int status = 0;
    assert_int_equal(fetch(peer.address, "POST", "/reload", str_of("{\"a\":1}"), NULL, 5000, &reply,
                           &status, &err),
                     0);
    peer_close(&peer);
    unsetenv("http_proxy");
    assert_string_equal(reply.p, "ok");
    assert_non_null(strstr(peer.seen, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(peer.seen, "Authorization"));
    buf_clear(&reply);
}

static void expect_failure(const char *address, unsigned timeout_ms, size_t ceiling,
                           enum err_kind kind)
{
    struct buf reply = BUF(ceiling);
    struct err err = {0};
    int status = 0;
    assert_int_equal(
        fetch(address, "GET", "/", str_of(NULL), NULL, timeout_ms, &reply, &status, &err), -1);
    if (err.kind != kind)
        fail_msg("%s: expected %s, got %s (%s)", address, err_kind_name(kind),
                 err_kind_name(err.kind), err.message);
    buf_clear(&reply);
}

static void test_no_server(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    expect_failure(peer.address, 5000, 1, ERR_LIMIT);
    peer_close(&peer);
    expect_failure(peer.address, 5000, 1, ERR_CONNECT);
    expect_failure("unix:/nonexistent/wye.sock", 5000, 10, ERR_CONNECT);
}

static void test_other_failures(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    expect_failure(peer.address, 5000, 10, ERR_CUT);
    peer_close(&peer);
    peer_open(&peer, "");
    expect_failure(peer.address, 5000, 10, ERR_CUT);
    peer_close(&peer);
    peer_open(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world");
    expect_failure(peer.address, 5000, 10, ERR_LIMIT);
    peer_close(&peer);
    peer_open(&peer, NULL);
    expect_failure(peer.address, 30, 10, ERR_TIMEOUT);
    peer_close(&peer);
    peer_open(&peer, "SSH-2.0-OpenSSH\r\n");
    expect_failure(peer.address, 5000, 10, ERR_MALFORMED);
    peer_close(&peer);
    expect_failure("not an address", 5000, 10, ERR_BAD_REQUEST);
}

static void test_unix_socket(void **state)
{
    (void)state;
    char folder[] = "/tmp/wye-fetch-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct peer peer = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s/admin", folder);
    snprintf(peer.address, sizeof peer.address, "unix:%s", at.sun_path);
    peer.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(peer.fd, (void *)&at, sizeof at), 0);
    assert_int_equal(listen(peer.fd, 4), 0);
    pthread_create(&peer.thread, NULL, serve_one, &peer);
    struct buf reply = BUF(100);
    struct err err = {0};
    int status = 0;
    assert_int_equal(
        fetch(peer.address, "GET", "/", str_of(NULL), NULL, 5000, &reply, &status, &err), 0);
    peer_close(&peer);
    assert_string_equal(reply.p, "hi");
    buf_clear(&reply);
    expect_failure(peer.address, 5000, 10, ERR_CONNECT); /* a socket file that nobody serves */
    unlink(at.sun_path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),         cmocka_unit_test(test_post_without_environment_proxy),
        cmocka_unit_test(test_no_server),   cmocka_unit_test(test_other_failures),
        cmocka_unit_test(test_unix_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
