#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/client.h"

enum {
    ARENA_CEILING = 64 * 1024 * 1024,
    OUT_CEILING = 256 * 1024 * 1024,
    OUT_KEPT = 4096, /* an emptied output buffer up to this is kept for the stream's next event */
    WARM_BLOCK = 8 * 1024, /* a first arena block up to this is kept for the next request */
    WARM_EXCHANGES = 64,
    GATHERED = 4 * 1024, /* a body up to this is copied behind its head: less than what a second piece costs the kernel */
};

/* Besides bytes, exchange->left says one of these of a promised Content-Length. */
enum {
    UNKNOWN = -1,
    EXCEEDED = -2,
};

static const struct str NOTHING = {"", 0};

/* ---- life ---- */

static void on_deadline(void *arg)
{
    client_deadline(((struct exchange *)arg)->client);
}

static struct exchange *exchange_new(struct server *s)
{
    struct exchange *x = xcalloc(1, sizeof *x);
    x->arena = ARENA(ARENA_CEILING);
    x->out = BUF(OUT_CEILING);
    list_init(&x->spare);
    timer_init(&x->timer, s->loop, on_deadline, x);
    return x;
}

struct exchange *exchange_open(struct client *c)
{
    struct server *s = c->server;
    struct exchange *x;
    if (list_is_empty(&s->spare)) {
        x = exchange_new(s);
    } else {
        x = LIST_ENTRY(list_last(&s->spare), struct exchange, spare);
        list_remove(&x->spare);
        s->spares--;
    }
    x->client = c;
    x->state = EXCHANGE_HEAD;
    x->started = clock_ns();
    return x;
}

void exchange_over(struct exchange *x)
{
    struct server *s = x->client->server;
    if (x->ticket && s->app.over)
        s->app.over(s->ctx, x);
    x->ticket = 0;
}

void exchange_free(struct exchange *x)
{
    timer_clear(&x->timer);
    arena_clear(&x->arena);
    free(x);
}

/* Back to the warm list. The timer keeps its armed event: the next request's deadline costs no call into the loop. */
void exchange_release(struct exchange *x)
{
    struct server *s = x->client->server;
    exchange_over(x);
    x->client->x = NULL;
    post_cancel(&x->flush);
    timer_cancel(&x->timer);
    buf_clear(&x->out);
    buf_clear(&x->gathered);
    if (x->read)
        server_take_scratch(s, x->read);
    if (s->spares >= WARM_EXCHANGES) {
        exchange_free(x);
        return;
    }
    arena_reset(&x->arena);
    if (x->arena.end - x->arena.at > WARM_BLOCK)
        arena_clear(&x->arena);
    struct exchange cold = {.arena = x->arena, .out = x->out, .timer = x->timer};
    *x = cold;
    list_init(&x->spare);
    list_push(&s->spare, &x->spare);
    s->spares++;
}

/* ---- the request ---- */

const struct http_head *exchange_head(const struct exchange *x)
{
    return x->head;
}

struct str exchange_body(const struct exchange *x)
{
    return x->body;
}

struct arena *exchange_arena(struct exchange *x)
{
    return &x->arena;
}

void exchange_take(struct exchange *x, struct exchange_memory *out)
{
    *out = (struct exchange_memory){x->arena, x->gathered, x->read};
    x->arena = ARENA(ARENA_CEILING);
    x->gathered = BUF(0);
    x->read = NULL;
}

void exchange_memory_clear(struct exchange_memory *m)
{
    arena_clear(&m->arena);
    buf_clear(&m->body);
    free(m->read);
}

uint64_t exchange_started(const struct exchange *x)
{
    return x->started;
}

struct str exchange_peer(const struct exchange *x)
{
    const struct sockaddr_in6 *in6 = &x->client->peer;
    const struct sockaddr_in *in = (const struct sockaddr_in *)in6;
    struct arena *arena = (struct arena *)&x->arena;
    char host[INET6_ADDRSTRLEN];
    char *text = NULL;
    if (in6->sin6_family == AF_INET && inet_ntop(AF_INET, &in->sin_addr, host, sizeof host))
        text = arena_printf(arena, "%s:%u", host, ntohs(in->sin_port));
    else if (in6->sin6_family == AF_INET6 &&
             inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host))
        text = arena_printf(arena, "[%s]:%u", host, ntohs(in6->sin6_port));
    return str_of(text ? text : "unix");
}

void exchange_set_owner(struct exchange *x, void *owner)
{
    x->owner = owner;
}

void *exchange_owner(const struct exchange *x)
{
    return x->owner;
}

void exchange_set_ticket(struct exchange *x, uint64_t ticket)
{
    x->ticket = ticket;
}

uint64_t exchange_ticket(const struct exchange *x)
{
    return x->ticket;
}

bool exchange_begun(const struct exchange *x)
{
    return x->begun;
}

/* ---- sending ---- */

/* What the reply needs next: another write, or, when it is whole, the next request. */
static void sent(struct exchange *x)
{
    struct client *c = x->client;
    if (x->out.len > 0) {
        timer_set(&x->timer, c->server->limits.write_stall_ms);
        client_watch(c);
        return;
    }
    timer_cancel(&x->timer);
    if (x->state == EXCHANGE_ENDED) {
        client_finished(c);
        return;
    }
    if (x->out.cap > OUT_KEPT)
        buf_clear(&x->out);
    client_watch(c);
}

static void on_broken(void *arg)
{
    client_gone(((struct exchange *)arg)->client);
}

/* The application hears of a broken connection later, from the loop: never from inside its own call. */
static void broke(struct exchange *x)
{
    x->broken = true;
    buf_clear(&x->out);
    if (x->state == EXCHANGE_ENDED)
        client_close(x->client);
    else
        loop_post(x->client->server->loop, &x->flush, on_broken, x);
}

/* Sends what is queued, with `a` and `b` behind it; what the socket does not take is kept. False when the connection broke. */
static bool push(struct exchange *x, struct str a, struct str b)
{
    struct str parts[3] = {buf_str(&x->out), a, b};
    struct iovec pieces[3];
    int count = 0;
    for (int i = 0; i < 3; i++)
        if (parts[i].len > 0)
            pieces[count++] = (struct iovec){(void *)parts[i].p, parts[i].len};
    ssize_t n = count > 0 ? client_send(x->client, pieces, count) : 0;
    if (n == -2)
        return false;
    size_t taken = n > 0 ? (size_t)n : 0;
    for (int i = 0; i < 3; i++) {
        size_t part = taken < parts[i].len ? taken : parts[i].len;
        taken -= part;
        if (i == 0)
            buf_consume(&x->out, part);
        else if (part < parts[i].len && buf_append(&x->out, parts[i].p + part, parts[i].len - part) < 0)
            return false;
    }
    return true;
}

void exchange_flush(struct exchange *x)
{
    if (x->broken)
        return;
    struct client *c = x->client;
    struct server *s = c->server;
    client_enter(c);
    if (!push(x, NOTHING, NOTHING)) {
        broke(x);
    } else if (x->throttled && x->state == EXCHANGE_OPEN &&
               x->out.len < s->limits.output_high / 4) {
        x->throttled = false;
        sent(x);
        if (s->app.drained)
            s->app.drained(s->ctx, x);
    } else {
        sent(x);
    }
    client_leave(c);
}

static void on_flush(void *arg)
{
    exchange_flush(arg);
}

/* ---- reply heads ---- */

static const char *date(struct server *s)
{
    time_t now = time(NULL);
    if (now != s->date_second) {
        struct tm tm;
        s->date_second = now;
        strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    }
    return s->date;
}

static void put_number(struct buf *out, uint64_t n)
{
    char digits[20];
    int at = sizeof digits;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    buf_append(out, digits + at, sizeof digits - (size_t)at);
}

static bool may_have_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* The whole head, in the server's buffer. `length` -1: no Content-Length. */
static struct str build_head(struct exchange *x, int status, const char *content_type,
                             struct str fields, int64_t length)
{
    struct server *s = x->client->server;
    struct buf *out = &s->head_out;
    if (s->draining)
        x->keep_alive = false;
    buf_reset(out);
    buf_puts(out, "HTTP/1.1 ");
    put_number(out, (uint64_t)status);
    buf_putc(out, ' ');
    buf_puts(out, http_reason(status));
    buf_puts(out, "\r\nDate: ");
    buf_puts(out, date(s));
    if (content_type) {
        buf_puts(out, "\r\nContent-Type: ");
        buf_puts(out, content_type);
    }
    if (length >= 0 && may_have_body(status)) {
        buf_puts(out, "\r\nContent-Length: ");
        put_number(out, (uint64_t)length);
    }
    if (x->chunked)
        buf_puts(out, "\r\nTransfer-Encoding: chunked");
    if (!x->keep_alive)
        buf_puts(out, "\r\nConnection: close");
    else if (x->old)
        buf_puts(out, "\r\nConnection: keep-alive");
    buf_puts(out, "\r\n");
    if (buf_append(out, fields.p, fields.len) < 0)
        log_error("a reply's header fields exceed %zu bytes and were left out", out->limit);
    buf_puts(out, "\r\n");
    return buf_str(out);
}

/* ---- the reply ---- */

/* Only the application's own exchange, unfinished, can be answered; a reply to the head alone leaves the body unread. */
static bool is_answerable(struct exchange *x)
{
    if (x->state == EXCHANGE_ASKED) {
        x->keep_alive = false;
        x->linger = true;
        x->state = EXCHANGE_OPEN;
    }
    return x->state == EXCHANGE_OPEN;
}

static void finish(struct exchange *x, struct str a, struct str b)
{
    x->state = EXCHANGE_ENDED;
    post_cancel(&x->flush);
    if (x->broken || !push(x, a, b))
        client_close(x->client);
    else
        sent(x);
}

void exchange_reply(struct exchange *x, int status, const char *content_type, struct str fields,
                    struct str body)
{
    if (!is_answerable(x) || x->begun)
        return;
    x->begun = true;
    struct str head = build_head(x, status, content_type, fields, (int64_t)body.len);
    bool is_bare = x->bodiless || !may_have_body(status);
    struct buf *out = &x->client->server->head_out;
    if (is_bare || body.len > GATHERED || buf_append(out, body.p, body.len) < 0)
        finish(x, head, is_bare ? NOTHING : body);
    else
        finish(x, buf_str(out), NOTHING);
}

void exchange_begin(struct exchange *x, int status, const char *content_type, struct str fields,
                    int64_t length)
{
    if (!is_answerable(x) || x->begun)
        return;
    x->begun = true;
    x->left = length < 0 ? UNKNOWN : length;
    bool has_body = may_have_body(status);
    x->chunked = length < 0 && !x->old && has_body;
    if (length < 0 && x->old)
        x->keep_alive = false;
    struct str head = build_head(x, status, content_type, fields, length);
    buf_append(&x->out, head.p, head.len);
    if (!has_body)
        x->bodiless = true;
}

void exchange_begin_raw(struct exchange *x)
{
    if (!is_answerable(x) || x->begun)
        return;
    x->begun = true;
    x->left = UNKNOWN;
    x->keep_alive = false;
    x->bodiless = false;
}

static int append_chunk(struct exchange *x, struct str bytes)
{
    if (!x->chunked)
        return buf_append(&x->out, bytes.p, bytes.len);
    char size[20];
    int at = sizeof size;
    size[--at] = '\n';
    size[--at] = '\r';
    size_t n = bytes.len;
    do
        size[--at] = "0123456789abcdef"[n % 16];
    while (n /= 16);
    size_t len = sizeof size - (size_t)at;
    if (!buf_room(&x->out, len + bytes.len + 2))
        return -1;
    buf_append(&x->out, size + at, len);
    buf_append(&x->out, bytes.p, bytes.len);
    return buf_append(&x->out, "\r\n", 2);
}

bool exchange_write(struct exchange *x, struct str bytes)
{
    struct server *s = x->client->server;
    if (x->state != EXCHANGE_OPEN || !x->begun || x->broken || x->bodiless || bytes.len == 0)
        return true;
    if (x->left != UNKNOWN && (x->left == EXCEEDED || (int64_t)bytes.len > x->left)) {
        x->left = EXCEEDED;
        return true;
    }
    if (x->left != UNKNOWN)
        x->left -= (int64_t)bytes.len;
    bool is_ok = append_chunk(x, bytes) == 0;
    bool is_waiting = x->client->watch.events & WATCH_WRITE;
    if (is_ok && !is_waiting && x->out.len > s->limits.output_high)
        is_ok = push(x, NOTHING, NOTHING);
    if (!is_ok) {
        broke(x);
        return true;
    }
    if (x->out.len > s->limits.output_high)
        x->throttled = true;
    if (!is_waiting)
        loop_post(s->loop, &x->flush, on_flush, x);
    return !x->throttled;
}

void exchange_end(struct exchange *x)
{
    if (x->state != EXCHANGE_OPEN || !x->begun)
        return;
    bool is_as_promised = x->left == UNKNOWN || x->left == 0;
    if (!is_as_promised && !x->bodiless) {
        exchange_abort(x);
        return;
    }
    finish(x, x->chunked && !x->bodiless ? str_of("0\r\n\r\n") : NOTHING, NOTHING);
}

void exchange_abort(struct exchange *x)
{
    if (x->state != EXCHANGE_OPEN && x->state != EXCHANGE_ASKED)
        return;
    x->state = EXCHANGE_ENDED;
    client_reset(x->client);
}
