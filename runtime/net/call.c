#include "net/call.h"

#include <stdlib.h>

#include "base/alloc.h"

enum {
    MOST_OUT = 64 * 1024, /* head text of a request */
    KEPT_OUT = 4 * 1024,  /* memory for it that a spare call keeps */
    MOST_INFORMATIONAL = 16,
    MOST_READS = 8, /* behind TLS, before others have their turn */
};

/* ---- the object ---- */

static void on_deadline(void *arg);

struct call *call_new(struct upstream *up)
{
    struct list *spare = list_first(&up->spare);
    if (spare) {
        list_remove(spare);
        up->spare_count--;
        return LIST_ENTRY(spare, struct call, link);
    }
    struct call *c = xcalloc(1, sizeof *c);
    c->up = up;
    c->out = BUF(MOST_OUT);
    list_init(&c->link);
    timer_init(&c->timer, up->loop, on_deadline, c);
    return c;
}

static void reset(struct call *c)
{
    if (c->views != c->few)
        free(c->views);
    c->views = NULL;
    c->conn = NULL;
    c->total = c->sent = c->scanned = 0;
    c->informational = 0;
    c->has_bytes = c->keeps_alive = c->is_retried = c->is_paused = c->is_broken = false;
    buf_reset(&c->out);
    if (c->out.cap > KEPT_OUT)
        buf_clear(&c->out);
}

void call_free(struct call *c)
{
    struct upstream *up = c->up;
    timer_cancel(&c->timer);
    post_cancel(&c->post);
    list_remove(&c->link);
    reset(c);
    if (up->spare_count < POOL_SPARE_CALLS) {
        up->spare_count++;
        list_push(up->spare.next, &c->link); /* in front: the warmest is next */
        return;
    }
    call_destroy(c);
}

void call_destroy(struct call *c)
{
    timer_clear(&c->timer);
    buf_clear(&c->out);
    free(c);
}

/* ---- what is sent ---- */

static int append_length(struct buf *out, size_t length)
{
    char text[64] = "Content-Length: ", digits[24];
    size_t at = sizeof digits, len = strlen(text);
    do
        digits[--at] = (char)('0' + length % 10);
    while ((length /= 10) > 0);
    memcpy(text + len, digits + at, sizeof digits - at);
    len += sizeof digits - at;
    memcpy(text + len, "\r\n", 2);
    return buf_append(out, text, len + 2);
}

static bool is_path(struct str path)
{
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.p[i] <= ' ' || path.p[i] == 0x7f)
            return false;
    return true;
}

static bool has_length(const struct call_request *r)
{
    return r->body_count > 0 || (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0);
}

static int append_head(struct call *c, const struct call_request *r, size_t body)
{
    struct buf *out = &c->out;
    struct pool *p = c->pool;
    bool is_bare = p->path_len == 0 && (r->path.len == 0 || r->path.p[0] != '/');
    c->method_len = strlen(r->method);
    if (buf_append(out, r->method, c->method_len) < 0 ||
        buf_append(out, is_bare ? " /" : " ", is_bare ? 2 : 1) < 0 ||
        buf_append(out, p->target.path, p->path_len) < 0 ||
        buf_append(out, r->path.p, r->path.len) < 0 ||
        buf_append(out, p->host_lines, p->host_lines_len) < 0 ||
        buf_append(out, r->fields.p, r->fields.len) < 0)
        return -1;
    if (has_length(r) && append_length(out, body) < 0)
        return -1;
    return buf_append(out, "\r\n", 2);
}

int call_prepare(struct call *c, const struct call_request *r)
{
    size_t body = 0;
    for (int i = 0; i < r->body_count; i++)
        body += r->body[i].iov_len;
    if (!is_path(r->path) || append_head(c, r, body) < 0)
        return -1;
    c->view_count = r->body_count + 1;
    c->views =
        c->view_count <= CALL_VIEWS ? c->few : xcalloc((size_t)c->view_count, sizeof *c->views);
    c->views[0] = (struct iovec){c->out.p, c->out.len};
    for (int i = 0; i < r->body_count; i++)
        c->views[i + 1] = r->body[i];
    c->total = c->out.len + body;
    return 0;
}

/* The unsent rest, as far as `most` views show it. */
static int unsent(const struct call *c, struct iovec *rest, int most)
{
    size_t skip = c->sent;
    int count = 0;
    for (int i = 0; i < c->view_count && count < most; i++) {
        struct iovec view = c->views[i];
        if (skip >= view.iov_len) {
            skip -= view.iov_len;
            continue;
        }
        rest[count++] = (struct iovec){(char *)view.iov_base + skip, view.iov_len - skip};
        skip = 0;
    }
    return count;
}

/* Little that lies in pieces, in one: behind TLS it would be a record for each. */
static int gather(const struct call *c, struct iovec *rest, int count)
{
    char *at = c->up->gathered;
    if (count == 1 || c->total - c->sent > POOL_GATHERED)
        return count;
    for (int i = 0; i < count; i++)
        at = mempcpy(at, rest[i].iov_base, rest[i].iov_len);
    rest[0] = (struct iovec){c->up->gathered, (size_t)(at - c->up->gathered)};
    return 1;
}

/* A failure to send is no end yet: the reply may have come before the request was read. */
static void flush(struct call *c)
{
    while (c->sent < c->total && !c->is_broken) {
        struct iovec rest[CALL_VIEWS];
        int count = gather(c, rest, unsent(c, rest, CALL_VIEWS));
        ssize_t sent = connect_send(&c->conn->io, rest, count);
        if (sent == CONNECT_AGAIN)
            break;
        if (sent >= 0) {
            c->sent += (size_t)sent;
            continue;
        }
        c->is_broken = true;
        pool_read_again(c->conn);
    }
    call_watch(c);
}

void call_watch(struct call *c)
{
    bool is_unsent = c->sent < c->total && !c->is_broken;
    watch_set(&c->conn->watch, (c->is_paused ? 0 : WATCH_READ) | (is_unsent ? WATCH_WRITE : 0));
}

void call_send(struct call *c)
{
    c->phase = CALL_HEAD;
    c->sent = 0;
    c->is_broken = false;
    call_arm(c);
    flush(c);
}

/* ---- deadlines ---- */

static void sooner(uint64_t *at, uint64_t from, unsigned ms)
{
    if (ms > 0 && from + ms < *at)
        *at = from + ms;
}

void call_arm(struct call *c)
{
    uint64_t now = loop_now(c->up->loop), at = UINT64_MAX;
    sooner(&at, c->started, c->deadlines.total);
    if (c->phase == CALL_QUEUED || c->phase == CALL_OPENING)
        sooner(&at, c->sought, c->deadlines.connect);
    if (c->phase != CALL_BODY)
        sooner(&at, c->started, c->deadlines.head);
    else if (!c->is_paused)
        sooner(&at, now, c->deadlines.idle);
    if (at == UINT64_MAX)
        timer_cancel(&c->timer);
    else
        timer_set(&c->timer, at > now ? at - now : 0);
}

static void on_deadline(void *arg)
{
    struct call *c = arg;
    struct err err;
    const char *name = c->to->name;
    uint64_t now = loop_now(c->up->loop);
    unsigned waited = (unsigned)(now - c->sought);
    if (c->deadlines.total > 0 && now - c->started >= c->deadlines.total)
        err_set(&err, ERR_TIMEOUT, "%s: not done within %u ms (total deadline)", name,
                c->deadlines.total);
    else if (c->phase == CALL_QUEUED)
        err_set(&err, ERR_TIMEOUT,
                "%s: no free connection within %u ms (connect deadline, max_connections = %u)",
                name, waited, c->pool->most);
    else if (c->phase == CALL_OPENING)
        err_set(&err, ERR_TIMEOUT, "%s: not connected within %u ms (connect deadline)", name,
                waited);
    else if (c->phase == CALL_HEAD)
        err_set(&err, ERR_TIMEOUT, "%s: no reply within %u ms (head deadline)", name,
                c->deadlines.head);
    else
        err_set(&err, ERR_TIMEOUT, "%s: the reply stood still for %u ms (idle deadline)", name,
                c->deadlines.idle);
    call_fail(c, &err);
}

/* ---- how it ends ---- */

void call_drop(struct call *c)
{
    if (c->phase == CALL_QUEUED && !list_is_empty(&c->link))
        c->up->counts.queued--;
    list_remove(&c->link);
    if (c->conn)
        pool_drop(c->conn);
    call_free(c);
}

void call_fail(struct call *c, const struct err *err)
{
    const struct call_events *events = c->events;
    void *ctx = c->ctx;
    call_drop(c);
    events->failed(ctx, err);
}

/* Behind TLS the socket does not tell whether more has come than was asked for. */
static bool is_quiet(struct conn *n)
{
    char byte;
    return !connect_is_tls(&n->io) || connect_recv(&n->io, &byte, 1) == CONNECT_AGAIN;
}

static void end(struct call *c, bool may_reuse)
{
    const struct call_events *events = c->events;
    void *ctx = c->ctx;
    struct conn *n = c->conn;
    buf_clear(&n->in);
    may_reuse =
        may_reuse && c->keeps_alive && c->sent == c->total && c->body.framing != HTTP_UNTIL_CLOSE;
    if (may_reuse && is_quiet(n))
        pool_put(n);
    else
        pool_drop(n);
    call_free(c);
    events->end(ctx);
}

static void malformed(struct call *c, const char *why)
{
    struct err err;
    err_set(&err, ERR_MALFORMED, "%s: not an HTTP/1.1 reply: %s", c->to->name, why);
    call_fail(c, &err);
}

/* The peer closed (`is_clean`) or the connection broke. */
static void lost(struct call *c, bool is_clean)
{
    struct err err;
    const char *how = is_clean ? "closed" : "reset";
    if (c->phase == CALL_BODY && c->body.framing == HTTP_UNTIL_CLOSE && is_clean) {
        end(c, false);
        return;
    }
    if (!c->has_bytes && c->conn->is_reused && !c->is_retried) {
        c->is_retried = true;
        c->sought = loop_now(c->up->loop);
        pool_reopen(c->conn);
        return;
    }
    if (c->has_bytes)
        err_set(&err, ERR_CUT, "%s: %s inside the reply", c->to->name, how);
    else
        err_set(&err, ERR_CONNECT, "%s: %s before any reply byte", c->to->name, how);
    call_fail(c, &err);
}

/* ---- the reply ---- */

/* All of these return false when the call is gone. */

static bool take_body(struct call *c, const char *p, size_t len)
{
    struct conn *n = c->conn;
    while (len > 0 && !c->body.done) {
        struct str content = {0};
        struct http_error error;
        long used = http_body_read(&c->body, p, len, &content, &error);
        if (used < 0) {
            malformed(c, error.why);
            return false;
        }
        p += used;
        len -= (size_t)used;
        if (content.len > 0)
            c->events->body(c->ctx, content);
        if (n->is_closed)
            return false;
    }
    if (!c->body.done)
        return true;
    end(c, len == 0);
    return false;
}

/* 1 with the final head, 0 when more is needed, -1 when refused. Skips 1xx. */
static int parse_head(struct call *c, struct http_head *head, const char **p, size_t *len)
{
    struct str method = str_n(c->out.p, c->method_len);
    for (;;) {
        struct http_error error = {0};
        int used = http_parse_response(head, method, *p, *len, &c->scanned, &error);
        if (used == 0)
            return 0;
        const char *why = used < 0              ? error.why
                          : head->status == 101 ? "switching protocols unasked"
                                                : NULL;
        if (why == NULL && head->status < 200 && ++c->informational > MOST_INFORMATIONAL)
            why = "too many 1xx replies";
        if (why) {
            malformed(c, why);
            return -1;
        }
        c->scanned = 0;
        *p += used;
        *len -= (size_t)used;
        if (head->status >= 200)
            return 1;
    }
}

static bool take_head(struct call *c, const char *p, size_t len)
{
    struct conn *n = c->conn;
    struct http_head head;
    if (n->in.len > 0) {
        buf_append(&n->in, p, len); /* fits: the parser refuses a head over HTTP_MAX_HEAD */
        p = n->in.p;
        len = n->in.len;
    }
    int parsed = parse_head(c, &head, &p, &len);
    if (parsed < 0)
        return false;
    if (parsed == 0) {
        if (n->in.len > 0)
            buf_consume(&n->in, n->in.len - len);
        else
            buf_append(&n->in, p, len);
        return true;
    }
    c->phase = CALL_BODY;
    c->keeps_alive = head.keep_alive;
    http_body_init(&c->body, &head);
    call_arm(c);
    c->events->head(c->ctx, &head);
    if (n->is_closed || !take_body(c, p, len))
        return false;
    buf_clear(&n->in);
    return true;
}

static bool take(struct call *c, const char *p, size_t len)
{
    c->has_bytes = true;
    if (c->phase == CALL_HEAD)
        return take_head(c, p, len);
    call_arm(c);
    return take_body(c, p, len);
}

static void read_reply(struct call *c)
{
    struct conn *n = c->conn;
    for (int i = 0; i < MOST_READS; i++) {
        ssize_t got = connect_recv(&n->io, c->up->scratch, POOL_SCRATCH);
        if (got == CONNECT_AGAIN && !c->is_broken)
            return;
        if (got <= 0) {
            lost(c, got == 0 && !c->is_broken);
            return;
        }
        if (!take(c, c->up->scratch, (size_t)got) || c->is_paused)
            return;
        if (!connect_is_tls(&n->io) && !c->is_broken)
            return;
    }
    pool_read_again(n);
}

void call_ready(struct call *c, int events)
{
    if (events & WATCH_WRITE)
        flush(c);
    if (!(events & WATCH_READ))
        return;
    if (c->is_paused)
        call_watch(c); /* lazily: a pause that ends before the next bytes costs nothing */
    else
        read_reply(c);
}
