#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "net/client.h"

enum { ACCEPTS_A_ROUND = 32, ACCEPT_PAUSE_MS = 100, COMPLAIN_MS = 1000 };

const struct server_limits SERVER_LIMITS = {
    .body = 32 * 1024 * 1024,
    .connections = 20000,
    .header_ms = 10000,
    .body_idle_ms = 30000,
    .body_min_rate = 1024,
    .idle_ms = 75000,
    .write_stall_ms = 60000,
    .output_high = 256 * 1024,
};

/* ---- idle and busy ---- */

void server_idle(struct client *c)
{
    struct server *s = c->server;
    list_remove(&c->link);
    list_push(&s->idle, &c->link);
    c->since = loop_now(s->loop);
    if (!s->idle_timer.deadline)
        timer_set(&s->idle_timer, s->limits.idle_ms);
}

void server_busy(struct client *c)
{
    list_remove(&c->link);
    list_push(&c->server->busy, &c->link);
}

/* All idle clients have the same time: only the longest idle one has to be looked at. */
static void on_idle(void *arg)
{
    struct server *s = arg;
    uint64_t now = loop_now(s->loop);
    LIST_EACH (it, &s->idle) {
        struct client *c = LIST_ENTRY(it, struct client, link);
        uint64_t end = c->since + s->limits.idle_ms;
        if (end > now) {
            timer_set(&s->idle_timer, end - now);
            return;
        }
        client_close(c);
    }
}

/* Room for one more: at the expense of the longest idle one. */
static bool make_room(struct server *s)
{
    struct list *longest = list_first(&s->idle);
    if (!longest)
        return false;
    client_close(LIST_ENTRY(longest, struct client, link));
    return true;
}

/* ---- accepting ---- */

/* Without a free descriptor accept4 says so even when nobody waits. */
static bool is_someone_waiting(struct server *s)
{
    struct pollfd p = {.fd = s->listener.fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* One that came a moment ago had no time to send its request: it does not give way. */
static bool can_make_room(struct server *s)
{
    struct list *longest = list_first(&s->idle);
    return longest && LIST_ENTRY(longest, struct client, link)->since != loop_now(s->loop) && make_room(s);
}

static void resume_accepting(struct server *s)
{
    if (!s->draining && s->count < s->limits.connections && !s->accept_timer.deadline)
        watch_set(&s->listener, WATCH_READ);
}

static void on_accept_again(void *arg)
{
    resume_accepting(arg);
}

/* Gives up the reserve to turn one waiting client away (it would wait in vain), says so, and pauses. */
static void no_descriptors(struct server *s)
{
    uint64_t now = loop_now(s->loop);
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (!s->complained || now - s->complained >= COMPLAIN_MS) {
        log_error("no file descriptor left for a new connection: this process may hold %llu (%u "
                  "are clients); raise it with "
                  "`ulimit -n` or LimitNOFILE=",
                  (unsigned long long)limit.rlim_cur, s->count);
        s->complained = now;
    }
    close(s->reserve);
    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    watch_set(&s->listener, 0);
    timer_set(&s->accept_timer, ACCEPT_PAUSE_MS);
}

static void on_listener(void *arg, int events)
{
    (void)events;
    struct server *s = arg;
    for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
        if (s->count >= s->limits.connections) {
            if (i > 0)
                return; /* nobody may be waiting: the loop calls again if so */
            if (!make_room(s)) {
                watch_set(&s->listener, 0); /* until one closes */
                return;
            }
        }
        struct sockaddr_in6 peer = {0};
        socklen_t len = sizeof peer;
        int fd =
            accept4(s->listener.fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            client_open(s, fd, &peer);
        else if (errno == EMFILE || errno == ENFILE) {
            if (!is_someone_waiting(s))
                return;
            if (!can_make_room(s)) {
                no_descriptors(s);
                return;
            }
        } else if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* ---- life ---- */

static void on_drained(void *arg)
{
    struct server *s = arg;
    s->drained(s->drained_arg);
}

static void report_drained(struct server *s)
{
    if (s->draining && s->count == 0 && s->drained)
        loop_post(s->loop, &s->drained_post, on_drained, s);
}

void server_forget(struct client *c)
{
    struct server *s = c->server;
    list_remove(&c->link);
    s->count--;
    report_drained(s);
    resume_accepting(s);
}

char *server_give_scratch(struct server *s)
{
    char *given = s->scratch;
    s->scratch = s->spare_scratches > 0 ? s->spare_scratch[--s->spare_scratches] : xmalloc(CLIENT_SCRATCH + 1);
    return given;
}

void server_take_scratch(struct server *s, char *scratch)
{
    if (s->spare_scratches < CLIENT_SPARE_SCRATCHES)
        s->spare_scratch[s->spare_scratches++] = scratch;
    else
        free(scratch);
}

struct server *server_new(struct loop *loop, int fd, const struct server_limits *limits,
                          const struct server_app *app, void *ctx)
{
    struct server *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->limits = *limits;
    s->app = *app;
    s->ctx = ctx;
    s->head_out = BUF(HTTP_MAX_HEAD + 1024);
    s->scratch = xmalloc(CLIENT_SCRATCH + 1);
    s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    list_init(&s->idle);
    list_init(&s->busy);
    list_init(&s->spare);
    timer_init(&s->idle_timer, loop, on_idle, s);
    timer_init(&s->accept_timer, loop, on_accept_again, s);
    /* Accepted sockets inherit it: no call for each. A Unix socket refuses it, harmlessly. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    watch_init(&s->listener, loop, fd, on_listener, s);
    watch_set(&s->listener, WATCH_READ);
    return s;
}

static void stop_listening(struct server *s)
{
    if (s->listener.fd < 0)
        return;
    watch_clear(&s->listener);
    close(s->listener.fd);
    s->listener.fd = -1;
}

void server_drain(struct server *s, void (*done)(void *arg), void *arg)
{
    s->draining = true;
    s->drained = done;
    s->drained_arg = arg;
    stop_listening(s);
    while (make_room(s))
        continue;
    report_drained(s);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    s->draining = true;
    s->drained = NULL;
    stop_listening(s);
    while (make_room(s))
        continue;
    while (!list_is_empty(&s->busy))
        client_gone(LIST_ENTRY(list_first(&s->busy), struct client, link));
    while (!list_is_empty(&s->spare)) {
        struct exchange *x = LIST_ENTRY(list_first(&s->spare), struct exchange, spare);
        list_remove(&x->spare);
        exchange_free(x);
    }
    post_cancel(&s->drained_post);
    timer_clear(&s->idle_timer);
    timer_clear(&s->accept_timer);
    buf_clear(&s->head_out);
    while (s->spare_scratches > 0)
        free(s->spare_scratch[--s->spare_scratches]);
    free(s->scratch);
    if (s->reserve >= 0)
        close(s->reserve);
    free(s);
}

void server_set_body_limit(struct server *s, size_t bytes)
{
    s->limits.body = bytes;
}

unsigned server_connections(const struct server *s)
{
    return s->count;
}
