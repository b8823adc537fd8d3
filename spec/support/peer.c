#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

struct peer_conn {
    struct list link;
    struct peer *peer;
    int fd;
    struct watch watch;
    struct buf in;
    size_t flood;
    const struct peer_line *doing; /* a flood ends with this line's close */
    bool is_answered;              /* early */
};

static void drop(struct peer_conn *c, bool is_reset)
{
    struct linger now = {.l_onoff = 1};
    watch_clear(&c->watch);
    if (is_reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->fd);
    list_remove(&c->link);
    buf_clear(&c->in);
    free(c);
}

static void tell(struct peer *p)
{
    if (p->changed)
        p->changed(p->arg);
}

static void say(struct peer_conn *c, const char *text)
{
    if (text && send(c->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        c->peer->left++;
}

/* Returns false when the connection is gone. */
static bool flood(struct peer_conn *c)
{
    static char block[256 * 1024];
    memset(block, 'x', sizeof block);
    while (c->flood > 0) {
        ssize_t n =
            send(c->fd, block, c->flood < sizeof block ? c->flood : sizeof block, MSG_NOSIGNAL);
        if (n < 0)
            break;
        c->flood -= (size_t)n;
        c->peer->flooded += (size_t)n;
    }
    c->peer->flood_left = c->flood;
    watch_set(&c->watch, WATCH_READ | (c->flood > 0 ? WATCH_WRITE : 0));
    if (c->flood > 0 || !c->doing || !(c->doing->closes || c->doing->resets))
        return true;
    drop(c, c->doing->resets);
    return false;
}

static bool answer(struct peer_conn *c)
{
    struct peer *p = c->peer;
    const struct peer_line *line = &p->script[p->at < p->lines - 1 ? p->at++ : p->lines - 1];
    p->requests++;
    c->doing = line;
    c->flood = line->flood;
    say(c, line->say);
    if (!flood(c))
        return false;
    if (line->stops_reading)
        watch_set(&c->watch, 0);
    return true;
}

/* Length of the first whole request in the bytes gathered, or 0. */
static size_t whole(const struct peer_conn *c)
{
    const char *end = c->in.len ? strstr(c->in.p, "\r\n\r\n") : NULL;
    if (end == NULL)
        return 0;
    const char *length = strstr(c->in.p, "Content-Length: ");
    size_t len =
        (size_t)(end - c->in.p) + 4 + (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
    return c->in.len >= len ? len : 0;
}

static void on_bytes(struct peer_conn *c)
{
    struct peer *p = c->peer;
    if (p->script[p->at].is_early && !c->is_answered) {
        c->is_answered = true;
        answer(c);
        return;
    }
    for (size_t len; (len = whole(c)) > 0;) {
        buf_consume(&c->in, len);
        if (!c->is_answered && !answer(c))
            return;
    }
}

static void on_conn(void *arg, int events)
{
    struct peer_conn *c = arg;
    struct peer *p = c->peer;
    char bytes[16 * 1024];
    if ((events & WATCH_WRITE) && !flood(c)) {
        tell(p);
        return;
    }
    if (events & WATCH_READ) {
        ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0) {
            buf_append(&p->seen, bytes, (size_t)n);
            buf_append(&c->in, bytes, (size_t)n);
            on_bytes(c);
        } else {
            p->left++;
            drop(c, false);
        }
    }
    tell(p);
}

static void on_accept(void *arg, int events)
{
    (void)events;
    struct peer *p = arg;
    int fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct peer_conn *c = xcalloc(1, sizeof *c);
    c->peer = p;
    c->fd = fd;
    c->in = BUF(64u << 20);
    p->accepted++;
    list_push(&p->conns, &c->link);
    watch_init(&c->watch, p->loop, fd, on_conn, c);
    watch_set(&c->watch, WATCH_READ);
    tell(p);
}

void peer_open(struct peer *p, struct loop *loop, int port, const struct peer_line *script,
               int lines)
{
    *p = (struct peer){.loop = loop, .seen = BUF(256u << 20)};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof at;
    int on = 1;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(p->fd, (void *)&at, sizeof at) < 0 || listen(p->fd, 4096) < 0 ||
        getsockname(p->fd, (void *)&at, &len) < 0)
        abort();
    p->port = ntohs(at.sin_port);
    list_init(&p->conns);
    peer_script(p, script, lines);
    watch_init(&p->watch, loop, p->fd, on_accept, p);
    watch_set(&p->watch, WATCH_READ);
}

void peer_script(struct peer *p, const struct peer_line *script, int lines)
{
    struct peer_line *copy = xmalloc((size_t)lines * sizeof *copy);
    memcpy(copy, script, (size_t)lines * sizeof *copy);
    free((void *)p->script);
    p->script = copy;
    p->lines = lines;
    p->at = 0;
}

void peer_say(struct peer *p, const char *text)
{
    LIST_EACH(it, &p->conns)
    say(LIST_ENTRY(it, struct peer_conn, link), text);
}

void peer_hang_up(struct peer *p)
{
    LIST_EACH(it, &p->conns)
    drop(LIST_ENTRY(it, struct peer_conn, link), false);
}

void peer_close(struct peer *p)
{
    peer_hang_up(p);
    watch_clear(&p->watch);
    close(p->fd);
    free((void *)p->script);
    buf_clear(&p->seen);
}
