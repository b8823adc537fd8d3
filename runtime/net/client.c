#include "net/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

/* ---- the descriptor ---- */

/* Bytes received, 0 at the end, -1 for "not now", -2 for a broken connection. */
static ssize_t client_receive(struct client *c, void *p, size_t len)
{
    for (;;) {
        ssize_t n = recv(c->watch.fd, p, len, 0);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return errno == EAGAIN ? -1 : -2;
    }
}

ssize_t client_send(struct client *c, const struct iovec *pieces, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
    for (;;) {
        ssize_t n = count == 1 ? send(c->watch.fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                               : sendmsg(c->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return errno == EAGAIN ? -1 : -2;
    }
}

/* True when the peer has ended or reset the connection, even behind bytes that were not read. */
static bool peer_has_left(struct client *c)
{
    struct pollfd p = {.fd = c->watch.fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void client_watch(struct client *c)
{
    if (c->dead)
        return;
    int events = c->eof ? 0 : WATCH_READ;
    bool is_full = c->x && c->x->state >= EXCHANGE_OPEN && c->in.len >= CLIENT_AHEAD;
    if (events && is_full && c->x->state != EXCHANGE_LINGER)
        events |= WATCH_EDGE;
    if (c->x && c->x->out.len > 0)
        events |= WATCH_WRITE;
    watch_set(&c->watch, events);
}

/* ---- life ---- */

static void take_buffered(struct client *c);

/* On its own so that the compiler does not judge by one path what the count forbids on the other. */
static __attribute__((noinline)) void let_go(struct client *c)
{
    free(c);
}

void client_enter(struct client *c)
{
    c->entered++;
}

void client_leave(struct client *c)
{
    if (c->entered == 1 && !c->dead) {
        take_buffered(c); /* what was done inside may have finished the request before */
        client_watch(c);
    }
    if (--c->entered == 0 && c->dead)
        let_go(c);
}

void client_close(struct client *c)
{
    if (c->dead)
        return;
    c->dead = true;
    int fd = c->watch.fd;
    watch_clear(&c->watch);
    close(fd);
    post_cancel(&c->again);
    buf_clear(&c->in);
    if (c->x)
        exchange_release(c->x);
    server_forget(c);
    if (!c->entered)
        let_go(c);
}

void client_reset(struct client *c)
{
    if (c->dead)
        return;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    client_close(c);
}

void client_gone(struct client *c)
{
    struct exchange *x = c->x;
    client_enter(c);
    if (x && x->state == EXCHANGE_OPEN) {
        x->state = EXCHANGE_ENDED; /* whatever the application still does to it has no effect */
        x->broken = true;
        c->server->app.gone(c->server->ctx, x);
    }
    client_reset(c);
    client_leave(c);
}

void client_refuse(struct client *c, int status, const char *why)
{
    struct exchange *x = c->x;
    char body[256];
    x->keep_alive = false;
    x->linger = true;
    x->state = EXCHANGE_OPEN;
    if (c->server->app.refused) {
        c->server->app.refused(c->server->ctx, x, status, why);
        return;
    }
    int len = snprintf(body, sizeof body,
                       "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\","
                       "\"param\":null,\"code\":null}}",
                       why);
    exchange_reply(x, status, "application/json", str_n(NULL, 0), str_n(body, (size_t)len));
}

/* Waits, a moment, for the client to read the reply: closing on unread bytes would reset the connection under it. */
static void linger(struct client *c)
{
    struct exchange *x = c->x;
    exchange_over(x);
    shutdown(c->watch.fd, SHUT_WR);
    x->state = EXCHANGE_LINGER;
    x->lingers_since = loop_now(c->server->loop);
    timer_set(&x->timer, CLIENT_LINGER_MS);
    buf_clear(&c->in);
    buf_clear(&x->gathered);
    client_watch(c);
}

static void on_again(void *arg);

void client_finished(struct client *c)
{
    struct exchange *x = c->x;
    if (x->keep_alive && !c->server->draining && !c->eof) {
        exchange_release(x);
        server_idle(c);
        client_watch(c);
        if (c->in.len > 0 && !c->entered)
            loop_post(c->server->loop, &c->again, on_again, c);
        return;
    }
    if (!c->eof && (x->linger || c->in.len > 0))
        linger(c);
    else
        client_close(c);
}

void client_deadline(struct client *c)
{
    client_enter(c);
    switch (c->x->state) {
    case EXCHANGE_HEAD:
        client_refuse(c, 408, "the request head took too long");
        break;
    case EXCHANGE_BODY:
        client_refuse(c, 408, "the request body stopped coming");
        break;
    case EXCHANGE_LINGER:
        client_close(c);
        break;
    default:
        client_gone(c); /* it does not read its reply */
    }
    client_leave(c);
}

/* ---- bytes to requests ---- */

static void deliver(struct client *c)
{
    struct exchange *x = c->x;
    x->state = EXCHANGE_OPEN;
    timer_cancel(&x->timer);
    c->server->app.request(c->server->ctx, x);
}

/* Copies the head just parsed (views and bytes) into the exchange, with `body` bytes behind it. False at the arena's ceiling. */
static bool keep_head(struct exchange *x, const struct http_head *head, const char *p,
                      size_t head_len, size_t body)
{
    size_t size = offsetof(struct http_head, fields) + (size_t)head->count * sizeof head->fields[0];
    struct http_head *kept = arena_alloc(&x->arena, size);
    char *bytes = arena_alloc(&x->arena, head_len + body + 1);
    if (!kept || !bytes)
        return false;
    memcpy(kept, head, size);
    memcpy(bytes, p, head_len + body);
    bytes[head_len + body] = '\0';
    kept->method.p = bytes + (head->method.p - p);
    kept->target.p = bytes + (head->target.p - p);
    for (int i = 0; i < head->count; i++) {
        kept->fields[i].name.p = bytes + (head->fields[i].name.p - p);
        kept->fields[i].value.p = bytes + (head->fields[i].value.p - p);
    }
    x->head = kept;
    x->body = str_n(bytes + head_len, body);
    x->bodiless = str_eq(kept->method, "HEAD");
    x->old = kept->minor == 0;
    x->keep_alive = kept->keep_alive;
    return true;
}

static void body_deadline(struct exchange *x)
{
    timer_set(&x->timer, x->client->server->limits.body_idle_ms);
}

/* May a body of unknown length go on? Otherwise the application has answered. */
static bool may_grow(struct client *c)
{
    struct exchange *x = c->x;
    struct server *s = c->server;
    if (!s->app.body || x->framing.framing != HTTP_CHUNKED)
        return true;
    x->state = EXCHANGE_ASKED;
    if (!s->app.body(s->ctx, x, x->gathered.len))
        return false;
    x->state = EXCHANGE_BODY;
    return true;
}

/* Takes body bytes. Returns how many were consumed; the exchange is delivered, refused or waits for more. */
static size_t take_body(struct client *c, struct str bytes)
{
    struct exchange *x = c->x;
    size_t at = 0;
    while (at < bytes.len && !x->framing.done) {
        struct str content;
        struct http_error error;
        long used = http_body_read(&x->framing, bytes.p + at, bytes.len - at, &content, &error);
        if (used < 0) {
            client_refuse(c, error.status, error.why);
            return bytes.len;
        }
        at += (size_t)used;
        if (buf_append(&x->gathered, content.p, content.len) < 0) {
            client_refuse(c, 413, "the request body is larger than this server accepts");
            return bytes.len;
        }
    }
    if (!may_grow(c))
        return bytes.len;
    if (x->framing.done) {
        x->body = buf_str(&x->gathered);
        deliver(c);
        return at;
    }
    uint64_t ms = loop_now(c->server->loop) - x->body_since;
    if (ms > 10000 && x->gathered.len < c->server->limits.body_min_rate * (ms / 1000))
        client_refuse(c, 408, "the request body came too slowly");
    else
        body_deadline(x);
    return at;
}

/* The body did not come whole with its head. */
static size_t begin_body(struct client *c, struct str rest)
{
    static const struct iovec proceed = {"HTTP/1.1 100 Continue\r\n\r\n", 25};
    struct exchange *x = c->x;
    struct server *s = c->server;
    x->state = EXCHANGE_BODY;
    x->body_since = loop_now(s->loop);
    http_body_init(&x->framing, x->head);
    x->gathered = BUF(s->limits.body);
    if (x->head->framing == HTTP_LENGTH)
        buf_room(&x->gathered, x->head->length);
    if (rest.len == 0 && x->head->expect_continue && client_send(c, &proceed, 1) == -2) {
        client_gone(c);
        return 0;
    }
    return take_body(c, rest);
}

/* A whole head is at the front of `bytes`. Returns how many bytes were used. */
static size_t take_head(struct client *c, struct str bytes, size_t head_len)
{
    struct server *s = c->server;
    struct exchange *x = c->x;
    const struct http_head *head = &s->head;
    if (head->framing == HTTP_LENGTH && head->length > s->limits.body) {
        keep_head(x, head, bytes.p, head_len, 0); /* tells the application whom it answers, if it fits */
        client_refuse(c, 413, "the request body is larger than this server accepts");
        return bytes.len;
    }
    struct str rest = str_n(bytes.p + head_len, bytes.len - head_len);
    bool has_body =
        head->framing == HTTP_CHUNKED || (head->framing == HTTP_LENGTH && head->length > 0);
    bool is_whole = !has_body || (head->framing == HTTP_LENGTH && rest.len >= head->length);
    size_t body = has_body && is_whole ? head->length : 0;
    bool stays = body >= CLIENT_LARGE && bytes.p == s->scratch && rest.len == body;
    if (!keep_head(x, head, bytes.p, head_len, stays ? 0 : body)) {
        client_refuse(c, 413, "the request body is larger than this server accepts");
        return bytes.len;
    }
    if (stays) {
        x->read = server_give_scratch(s);
        x->read[bytes.len] = '\0';
        x->body = rest;
    }
    x->state = EXCHANGE_ASKED;
    if (s->app.head && !s->app.head(s->ctx, x))
        return bytes.len;
    if (is_whole) {
        deliver(c);
        return head_len + body;
    }
    return head_len + begin_body(c, rest);
}

/* One step: part of a head, a head, or body bytes. 0: more must come. */
static size_t take_some(struct client *c, struct str bytes)
{
    struct server *s = c->server;
    if (!c->x) {
        c->x = exchange_open(c);
        c->scanned = 0;
        server_busy(c);
    }
    if (c->x->state == EXCHANGE_BODY)
        return take_body(c, bytes);
    struct http_error error;
    int head_len = http_parse_request(&s->head, bytes.p, bytes.len, &c->scanned, &error);
    if (head_len > 0)
        return take_head(c, bytes, (size_t)head_len);
    if (head_len < 0) {
        client_refuse(c, error.status, error.why);
        return bytes.len;
    }
    if (!c->x->timer.deadline)
        timer_set(&c->x->timer, s->limits.header_ms);
    return 0;
}

/* May the client's next bytes be parsed, or do they wait behind a request that is being served? */
static bool takes_bytes(const struct client *c)
{
    return !c->dead && (!c->x || c->x->state == EXCHANGE_HEAD || c->x->state == EXCHANGE_BODY);
}

/* Parses what is in c->in. */
static void take_buffered(struct client *c)
{
    while (takes_bytes(c) && c->in.len > 0) {
        size_t used = take_some(c, buf_str(&c->in));
        if (used == 0)
            break;
        if (!c->dead)
            buf_consume(&c->in, used);
    }
    if (!c->dead && c->in.len == 0)
        buf_clear(&c->in);
}

/* Parses bytes of the scratch; what is left over is kept in c->in. */
static void take_fresh(struct client *c, struct str bytes)
{
    while (takes_bytes(c) && bytes.len > 0) {
        size_t used = take_some(c, bytes);
        if (used == 0)
            break;
        bytes = str_n(bytes.p + used, bytes.len - used);
    }
    bool is_over = c->dead || (c->x && c->x->state == EXCHANGE_LINGER);
    if (!is_over && bytes.len > 0)
        buf_append(&c->in, bytes.p, bytes.len);
}

static void discard(struct client *c)
{
    struct exchange *x = c->x;
    ssize_t n = client_receive(c, c->server->scratch, CLIENT_SCRATCH);
    if (n > 0)
        x->discarded += (size_t)n;
    bool is_over = x->discarded > CLIENT_LINGER_BYTES || loop_now(c->server->loop) - x->lingers_since > CLIENT_LINGER_MOST_MS;
    if (n == 0 || n == -2 || is_over)
        client_close(c);
    else
        timer_set(&x->timer, CLIENT_LINGER_MS);
}

static void ended(struct client *c, bool is_clean)
{
    c->eof = true;
    bool is_flushing = c->x && c->x->state == EXCHANGE_ENDED;
    if (is_clean && is_flushing)
        client_watch(c); /* it may have closed its half only; a reset shows when we write */
    else if (c->x && c->x->state == EXCHANGE_OPEN)
        client_gone(c);
    else
        client_close(c);
}

/* A long body with a length goes straight to its place. True when that was the case. */
static bool receive_body(struct client *c)
{
    struct exchange *x = c->x;
    if (x->framing.framing != HTTP_LENGTH || x->framing.left < CLIENT_SCRATCH)
        return false;
    char *room = buf_room(&x->gathered, x->framing.left);
    ssize_t n = client_receive(c, room, x->framing.left);
    if (n <= 0) {
        if (n != -1)
            ended(c, n == 0);
        return true;
    }
    struct str content;
    struct http_error error;
    http_body_read(&x->framing, room, (size_t)n, &content, &error);
    buf_grow(&x->gathered, (size_t)n);
    take_body(c, str_n(room, 0));
    return true;
}

static void on_readable(struct client *c)
{
    struct exchange *x = c->x;
    if (x && x->state == EXCHANGE_LINGER) {
        discard(c);
        return;
    }
    if (x && x->state == EXCHANGE_BODY && receive_body(c))
        return;
    if (x && x->state >= EXCHANGE_OPEN && c->in.len >= CLIENT_AHEAD) {
        if (peer_has_left(c))
            ended(c, x->state == EXCHANGE_ENDED);
        return;
    }
    char *scratch = c->server->scratch;
    ssize_t n = client_receive(c, scratch, CLIENT_SCRATCH);
    if (n <= 0) {
        if (n != -1)
            ended(c, n == 0);
        return;
    }
    if (c->in.len == 0 && takes_bytes(c)) {
        take_fresh(c, str_n(scratch, (size_t)n));
        return;
    }
    if (buf_append(&c->in, scratch, (size_t)n) < 0) {
        client_gone(c);
        return;
    }
    take_buffered(c);
}

static void on_ready(void *arg, int events)
{
    struct client *c = arg;
    client_enter(c);
    if ((events & WATCH_WRITE) && c->x)
        exchange_flush(c->x);
    if ((events & WATCH_READ) && !c->dead)
        on_readable(c);
    client_leave(c);
}

static void on_again(void *arg)
{
    struct client *c = arg;
    client_enter(c);
    client_leave(c);
}

void client_open(struct server *s, int fd, const struct sockaddr_in6 *peer)
{
    struct client *c = xcalloc(1, sizeof *c);
    c->server = s;
    c->peer = *peer;
    c->in = BUF(CLIENT_AHEAD + CLIENT_SCRATCH);
    list_init(&c->link);
    watch_init(&c->watch, s->loop, fd, on_ready, c);
    s->count++;
    server_idle(c);
    client_watch(c);
}
