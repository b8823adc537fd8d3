#include "net/connect.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/address.h"
#include "net/trust.h"

enum {
    GROUP_SIZE = 48, /* handles on one multi */
    MOST_OPENING =
        192, /* at once to one target: what a burst of calls costs in memory stays bounded */
    SAFETY_TICK_MS = 1000, /* while handles are opening */
    TLS_RECORD = 16 * 1024,
};

struct group {
    struct list link; /* of the connector's groups, those with room first */
    struct connector *connector;
    CURLM *multi;
    struct timer timer;
    unsigned used;    /* handles */
    unsigned opening; /* of these */
    bool is_running;  /* inside libcurl, or reading its messages */
};

struct connector {
    struct loop *loop;
    const struct target *target;
    CURLSH *share; /* names and TLS sessions, across the multis */
    struct trust
        trust; /* empty where libcurl has to tell a proxy's authorities from the target's */
    struct list groups;
    struct list waiting; /* openings over MOST_OPENING, first come first */
    unsigned opening;
    uint64_t refused;
    char gather[TLS_RECORD]; /* a TLS record is cut from several views here */
};

struct opening {
    struct list link; /* of the connector's waiting */
    struct connect *connect;
    struct connector *by;
    void (*opened)(void *arg, const struct err *err);
    void *arg;
    struct post post;   /* when libcurl would not even begin */
    enum err_kind kind; /* why, with `words` */
    int error;          /* errno of socket() */
    bool is_begun;      /* libcurl has it */
    bool is_taken;      /* the descriptor is ours now */
    char refused[INET6_ADDRSTRLEN];
    char words[CURL_ERROR_SIZE];
};

/* A descriptor that libcurl wants watched. */
struct wanted {
    struct watch watch;
    struct group *group;
};

/* ---- the multi on the loop ---- */

static void finish(struct group *g, CURL *easy, CURLcode code);

static void group_free(struct group *g)
{
    list_remove(&g->link);
    curl_multi_cleanup(g->multi);
    timer_clear(&g->timer);
    free(g);
}

/* An empty group goes unless it is the last one, which keeps the certificates it has loaded. */
static void group_trim(struct group *g)
{
    if (g->used == 0 && !g->is_running && g->link.next != g->link.prev)
        group_free(g);
}

static void group_run(struct group *g, int fd, int events)
{
    int running, left;
    g->is_running = true;
    curl_multi_socket_action(g->multi, fd, events, &running);
    for (CURLMsg *m; (m = curl_multi_info_read(g->multi, &left)) != NULL;)
        if (m->msg == CURLMSG_DONE)
            finish(g, m->easy_handle, m->data.result);
    g->is_running = false;
    if (g->opening > 0 && g->timer.deadline == 0)
        timer_set(&g->timer, SAFETY_TICK_MS);
    group_trim(g);
}

static void on_tick(void *arg)
{
    group_run(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_wanted(void *arg, int events)
{
    struct wanted *w = arg;
    int mask =
        (events & WATCH_READ ? CURL_CSELECT_IN : 0) | (events & WATCH_WRITE ? CURL_CSELECT_OUT : 0);
    group_run(w->group, w->watch.fd, mask);
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct group *g = arg;
    if (ms < 0)
        timer_cancel(&g->timer);
    else
        timer_set(&g->timer, ms < SAFETY_TICK_MS ? (uint64_t)ms : SAFETY_TICK_MS);
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    (void)easy;
    struct group *g = arg;
    struct wanted *w = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            watch_clear(&w->watch);
        free(w);
        return 0;
    }
    if (w == NULL) {
        w = xcalloc(1, sizeof *w);
        w->group = g;
        watch_init(&w->watch, g->connector->loop, fd, on_wanted, w);
        curl_multi_assign(g->multi, fd, w);
    }
    watch_set(&w->watch,
              (what & CURL_POLL_IN ? WATCH_READ : 0) | (what & CURL_POLL_OUT ? WATCH_WRITE : 0));
    return 0;
}

static struct group *group_new(struct connector *c)
{
    struct group *g = xcalloc(1, sizeof *g);
    g->connector = c;
    g->multi = curl_multi_init();
    if (g->multi == NULL) {
        free(g);
        return NULL;
    }
    timer_init(&g->timer, c->loop, on_tick, g);
    curl_multi_setopt(g->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(g->multi, CURLMOPT_SOCKETDATA, g);
    curl_multi_setopt(g->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(g->multi, CURLMOPT_TIMERDATA, g);
    list_push(c->groups.next, &g->link); /* before the first: in front */
    return g;
}

/* Groups with room stand before full ones. */
static struct group *group_with_room(struct connector *c)
{
    struct list *first = list_first(&c->groups);
    struct group *g = first ? LIST_ENTRY(first, struct group, link) : NULL;
    return g && g->used < GROUP_SIZE ? g : group_new(c);
}

static void group_enter(struct group *g)
{
    g->opening++;
    if (++g->used == GROUP_SIZE) {
        list_remove(&g->link);
        list_push(&g->connector->groups, &g->link);
    }
}

static void group_leave(struct group *g)
{
    if (g->used-- == GROUP_SIZE) {
        list_remove(&g->link);
        list_push(g->connector->groups.next, &g->link);
    }
    group_trim(g);
}

struct connector *connector_new(struct loop *loop, const struct target *target)
{
    struct connector *c = xcalloc(1, sizeof *c);
    curl_global_init(CURL_GLOBAL_DEFAULT); /* counted */
    c->loop = loop;
    c->target = target;
    list_init(&c->groups);
    list_init(&c->waiting);
    c->share = curl_share_init();
    curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return c;
}

void connector_free(struct connector *c)
{
    if (c == NULL)
        return;
    LIST_EACH(it, &c->groups)
    group_free(LIST_ENTRY(it, struct group, link));
    curl_share_cleanup(c->share);
    trust_clear(&c->trust);
    curl_global_cleanup();
    free(c);
}

uint64_t connector_refused(const struct connector *c)
{
    return c->refused;
}

/* ---- one connection ---- */

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    (void)purpose;
    struct connect *c = arg;
    struct connector *by = c->group->connector;
    if (!address_may_connect(&to->addr, by->target->is_literal, by->target->is_private)) {
        by->refused++;
        const void *bytes = to->family == AF_INET6
                                ? (void *)&((struct sockaddr_in6 *)(void *)&to->addr)->sin6_addr
                                : (void *)&((struct sockaddr_in *)(void *)&to->addr)->sin_addr;
        inet_ntop(to->family, bytes, c->opening->refused, sizeof c->opening->refused);
        return CURL_SOCKET_BAD;
    }
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
    if (fd < 0)
        c->opening->error = errno;
    return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct connect *c = arg;
    return c->opening && c->opening->is_taken && fd == c->fd ? 0 : close(fd);
}

static CURLcode on_tls(CURL *easy, void *context, void *arg)
{
    (void)easy;
    struct connector *by = arg;
    /* A record that could not be written whole is offered again from another place, with the same bytes. */
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (by->trust.store)
        SSL_CTX_set1_cert_store(context, by->trust.store);
    return CURLE_OK;
}

static void set_tls(CURL *easy, struct connector *by)
{
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, by);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* The system's folder of certificates would be trusted beside ca_file. */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (by->trust.store) {
        /* libcurl adds nothing to the store that on_tls gives it, and does not keep it for the multi. */
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    } else if (by->target->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, by->target->ca_file);
    }
}

static void set_route(CURL *easy, const struct target *t)
{
    curl_easy_setopt(easy, CURLOPT_URL, t->origin);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, t->proxy ? t->proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY,
                     ""); /* the environment must not lead around the proxy */
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, t->is_tunnel ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void set_options(CURL *easy, struct connect *c, struct connector *by)
{
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT,
                     1L); /* closing must not wait for a resolver's thread */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, by->share);
    if (!by->target->is_wrapped)
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->opening->words);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, c);
    set_route(easy, by->target);
    if (by->target->is_wrapped)
        set_tls(easy, by);
}

static void opening_free(struct connect *c);

static void report(struct connect *c, const struct err *err)
{
    void (*opened)(void *arg, const struct err *err) = c->opening->opened;
    void *arg = c->opening->arg;
    if (err)
        connect_close(c);
    else
        opening_free(c);
    opened(arg, err);
}

static void on_stillborn(void *arg)
{
    struct opening *o = arg;
    struct err err;
    err_set(&err, o->kind, "%s", o->words);
    report(o->connect, &err);
}

static int load_trust(struct connector *by, struct err *err)
{
    const struct target *t = by->target;
    if (!t->is_tls || (t->proxy && str_starts(str_of(t->proxy), "https:")))
        return 0;
    return trust_load(&by->trust, t->ca_file, err);
}

static CURL *new_easy(struct connect *c, struct err *err)
{
    struct connector *by = c->opening->by;
    if (load_trust(by, err) < 0)
        return NULL;
    c->group = group_with_room(by);
    CURL *easy = c->group ? curl_easy_init() : NULL;
    if (easy == NULL)
        err_set(err, ERR_SYSTEM,
                "libcurl does not start: too few file descriptors? (see `ulimit -n`)");
    return easy;
}

static void begin(struct opening *o)
{
    struct connect *c = o->connect;
    struct err err;
    o->by->opening++;
    o->is_begun = true;
    c->easy = new_easy(c, &err);
    if (c->easy == NULL) {
        c->group = NULL;
        o->kind = err.kind;
        snprintf(o->words, sizeof o->words, "%s", err.message);
        loop_post(o->by->loop, &o->post, on_stillborn, o);
        return;
    }
    set_options(c->easy, c, o->by);
    group_enter(c->group);
    curl_multi_add_handle(c->group->multi, c->easy);
}

void connect_start(struct connect *c, struct connector *by,
                   void (*opened)(void *arg, const struct err *err), void *arg)
{
    struct opening *o = xcalloc(1, sizeof *o);
    *c = (struct connect){.fd = -1, .opening = o};
    o->connect = c;
    o->by = by;
    o->opened = opened;
    o->arg = arg;
    list_init(&o->link);
    if (by->opening < MOST_OPENING)
        begin(o);
    else
        list_push(&by->waiting, &o->link);
}

/* No longer opening, however that ended: the next in line may begin. */
static void opening_free(struct connect *c)
{
    struct opening *o = c->opening;
    struct connector *by = o->by;
    c->opening = NULL;
    post_cancel(&o->post);
    list_remove(&o->link);
    by->opening -= o->is_begun;
    free(o);
    while (by->opening < MOST_OPENING && !list_is_empty(&by->waiting)) {
        struct opening *next = LIST_ENTRY(list_first(&by->waiting), struct opening, link);
        list_remove(&next->link);
        begin(next);
    }
}

static void fill_err(struct err *err, const struct connect *c, CURLcode code)
{
    const struct opening *o = c->opening;
    const struct target *t = c->group->connector->target;
    const char *words = o->words[0] ? o->words : curl_easy_strerror(code);
    if (o->refused[0])
        err_set(err, ERR_CONNECT,
                "%s%s resolves to %s, which is not a public address; `private = true` on the "
                "provider allows it",
                t->proxy ? "the proxy " : "", t->name, o->refused);
    else if (o->error == EMFILE || o->error == ENFILE)
        err_set(err, ERR_SYSTEM, "no socket for %s: too few file descriptors (see `ulimit -n`)",
                t->host);
    else
        err_set(err, ERR_CONNECT, "%s: %s", t->host, words);
}

/* Takes the handle out of its multi and ends it. Never called from inside libcurl. */
static void drop_easy(struct connect *c)
{
    struct group *g = c->group;
    CURL *easy = c->easy;
    if (easy == NULL)
        return;
    curl_multi_remove_handle(g->multi, easy);
    curl_easy_cleanup(easy);
    c->easy = NULL;
    c->group = NULL;
    group_leave(g);
}

static void finish(struct group *g, CURL *easy, CURLcode code)
{
    struct connect *c = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&c);
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (code == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd == CURL_SOCKET_BAD) {
        struct err err;
        fill_err(&err, c, code);
        report(c, &err);
        return;
    }
    c->fd = fd;
    c->is_open = true;
    g->opening--;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    if (!g->connector->target->is_wrapped) {
        c->opening->is_taken = true;
        drop_easy(c);
    }
    report(c, NULL);
}

void connect_close(struct connect *c)
{
    bool is_ours = c->is_open && c->easy == NULL;
    if (c->group && !c->is_open)
        c->group->opening--;
    drop_easy(c);
    if (is_ours)
        close(c->fd);
    if (c->opening)
        opening_free(c);
    *c = (struct connect){.fd = -1};
}

/* ---- bytes ---- */

/* One record at a time: at most 16 KiB from the front of the views. */
static ssize_t send_tls(struct connect *c, const struct iovec *views, int count)
{
    char *gather = c->group->connector->gather;
    size_t len = 0, sent = 0;
    for (int i = 0; i < count && len < TLS_RECORD; i++) {
        size_t take = views[i].iov_len < TLS_RECORD - len ? views[i].iov_len : TLS_RECORD - len;
        memcpy(gather + len, views[i].iov_base, take);
        len += take;
    }
    CURLcode code = curl_easy_send(c->easy, gather, len, &sent);
    if (code == CURLE_AGAIN)
        return CONNECT_AGAIN;
    return code == CURLE_OK ? (ssize_t)sent : CONNECT_FAILED;
}

ssize_t connect_send(struct connect *c, const struct iovec *views, int count)
{
    if (c->easy)
        return send_tls(c, views, count);
    struct msghdr message = {.msg_iov = (struct iovec *)views, .msg_iovlen = (size_t)count};
    ssize_t sent;
    do
        sent = count == 1 ? send(c->fd, views->iov_base, views->iov_len, MSG_NOSIGNAL) : sendmsg(c->fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN ? CONNECT_AGAIN : CONNECT_FAILED;
    return sent;
}

/* libcurl takes a bare end of the socket for an end of TLS; only close_notify says that nothing was cut off. */
static bool was_notified(CURL *easy)
{
    struct curl_tlssessioninfo *info = NULL;
    curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info);
    return info && info->internals && (SSL_get_shutdown(info->internals) & SSL_RECEIVED_SHUTDOWN);
}

static ssize_t recv_tls(struct connect *c, void *p, size_t size)
{
    size_t got = 0;
    CURLcode code = curl_easy_recv(c->easy, p, size, &got);
    if (code == CURLE_AGAIN)
        return CONNECT_AGAIN;
    if (code != CURLE_OK || (got == 0 && !was_notified(c->easy)))
        return CONNECT_FAILED;
    return (ssize_t)got;
}

ssize_t connect_recv(struct connect *c, void *p, size_t size)
{
    if (c->easy)
        return recv_tls(c, p, size);
    ssize_t got;
    do
        got = recv(c->fd, p, size, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? CONNECT_AGAIN : CONNECT_FAILED;
    return got;
}
