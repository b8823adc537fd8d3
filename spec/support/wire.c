#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/http.h"

enum { MOST = 256 * 1024 * 1024, DEADLINE = 5 };

struct wire wire_open(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct wire w = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .in = BUF(MOST)};
    struct timeval deadline = {.tv_sec = DEADLINE};
    setsockopt(w.fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(w.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(w.fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail_msg("cannot connect to port %d: %s", port, strerror(errno));
    return w;
}

void wire_close(struct wire *w)
{
    close(w->fd);
    buf_clear(&w->in);
}

void wire_reset(struct wire *w)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    wire_close(w);
}

void wire_send_bytes(struct wire *w, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(w->fd, bytes.p, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server has closed: its reply, or lack of one, is what the test looks at */
        bytes = str_n(bytes.p + n, bytes.len - (size_t)n);
    }
}

void wire_send(struct wire *w, const char *text)
{
    wire_send_bytes(w, str_of(text));
}

/* False at the end of the connection, clean or not. */
static bool receive(struct wire *w)
{
    char *room = buf_room(&w->in, 65536);
    assert_non_null(room);
    ssize_t n = recv(w->fd, room, 65536, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("nothing came for %d seconds; so far: " STR_FMT, DEADLINE,
                 STR_ARG(buf_str(&w->in)));
    buf_grow(&w->in, n > 0 ? (size_t)n : 0);
    return n > 0;
}

static void read_body(struct wire *w, struct wire_reply *r, const struct http_head *head)
{
    struct http_body body;
    struct http_error error;
    http_body_init(&body, head);
    while (!body.done) {
        if (w->in.len == 0 && !receive(w)) {
            r->is_whole = head->framing == HTTP_UNTIL_CLOSE;
            return;
        }
        struct str content;
        long n = http_body_read(&body, w->in.p, w->in.len, &content, &error);
        if (n < 0)
            return;
        buf_append(&r->body, content.p, content.len);
        buf_consume(&w->in, (size_t)n);
    }
    r->is_whole = true;
}

struct wire_reply wire_reply(struct wire *w, const char *method)
{
    struct wire_reply r = {.head = BUF(MOST), .body = BUF(MOST)};
    struct http_head head;
    struct http_error error;
    size_t scanned = 0;
    for (;;) {
        int n = w->in.len ? http_parse_response(&head, str_of(method), w->in.p, w->in.len, &scanned,
                                                &error)
                          : 0;
        if (n < 0)
            return r;
        if (n > 0) {
            r.status = head.status;
            buf_append(&r.head, w->in.p, (size_t)n);
            buf_consume(&w->in, (size_t)n);
            break;
        }
        if (!receive(w))
            return r;
    }
    if (r.status >= 200)
        read_body(w, &r, &head);
    return r;
}

void wire_reply_clear(struct wire_reply *r)
{
    buf_clear(&r->head);
    buf_clear(&r->body);
}

bool wire_has(const struct wire_reply *r, const char *line)
{
    char whole[1024];
    snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
    return r->head.p && strcasestr(r->head.p, whole);
}

struct buf wire_rest(struct wire *w)
{
    while (receive(w))
        continue;
    struct buf all = w->in;
    w->in = BUF(MOST);
    return all;
}

struct wire_reply wire_ask(int port, const char *method, const char *target, const char *body)
{
    struct wire w = wire_open(port);
    struct buf request = BUF(MOST);
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
               method, target, strlen(body), body);
    wire_send_bytes(&w, buf_str(&request));
    struct wire_reply r = wire_reply(&w, method);
    buf_clear(&request);
    wire_close(&w);
    return r;
}

void wire_expect(struct wire *w, const char *method, int status, const char *body)
{
    struct wire_reply r = wire_reply(w, method);
    assert_int_equal(r.status, status);
    assert_true(r.is_whole);
    assert_string_equal(r.body.p ? r.body.p : "", body);
    wire_reply_clear(&r);
}

void wire_expect_end(struct wire *w)
{
    struct buf rest = wire_rest(w);
    assert_string_equal(rest.p ? rest.p : "", "");
    buf_clear(&rest);
}
