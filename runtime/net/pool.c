#include "net/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "net/call.h"

/* ---- connections ---- */

static void conn_free(struct conn *n)
{
    buf_clear(&n->in);
    free(n);
}

static void conn_close(struct conn *n)
{
    struct upstream *up = n->pool->up;
    if (n->is_closed)
        return;
    n->is_closed = true;
    if (n->call)
        n->call->conn = NULL;
    else
        up->counts.idle--;
    n->call = NULL;
    watch_clear(&n->watch);
    post_cancel(&n->post);
    connect_close(&n->io);
    list_remove(&n->link);
    n->pool->open--;
    up->counts.open--;
    if (!n->is_busy)
        conn_free(n);
}

/* On an idle connection TLS may still hear of session tickets; whatever else comes ends it. */
static void idle_ready(struct conn *n)
{
    char byte;
    if (connect_recv(&n->io, &byte, 1) != CONNECT_AGAIN)
        pool_drop(n);
}

static void on_ready(void *arg, int events)
{
    struct conn *n = arg;
    if (n->call == NULL) {
        idle_ready(n);
        return;
    }
    n->is_busy = true;
    call_ready(n->call, events);
    n->is_busy = false;
    if (n->is_closed)
        conn_free(n);
}

static void on_post(void *arg)
{
    on_ready(arg, WATCH_READ);
}

void pool_read_again(struct conn *n)
{
    loop_post(n->pool->up->loop, &n->post, on_post, n);
}

static void on_opened(void *arg, const struct err *err)
{
    struct conn *n = arg;
    if (err == NULL) {
        n->pool->up->counts.opened++;
        watch_init(&n->watch, n->pool->up->loop, n->io.fd, on_ready, n);
        call_send(n->call);
        return;
    }
    struct err named;
    struct call *c = n->call;
    err_set(&named, err->kind, "%s: %s", c->to->name, err->message);
    call_fail(c, &named);
}

static void conn_open(struct pool *p, struct call *c)
{
    struct conn *n = xcalloc(1, sizeof *n);
    n->pool = p;
    n->in = BUF(HTTP_MAX_HEAD + POOL_SCRATCH);
    n->call = c;
    c->conn = n;
    c->phase = CALL_OPENING;
    list_push(&p->used, &n->link);
    p->open++;
    p->up->counts.open++;
    call_arm(c);
    connect_start(&n->io, p->connector, on_opened, n);
}

static void conn_use(struct conn *n, struct call *c)
{
    n->call = c;
    c->conn = n;
    n->pool->up->counts.reused++;
    call_send(c);
}

/* ---- who gets which ---- */

static bool has_room(const struct pool *p)
{
    return p->most == 0 || p->open < p->most;
}

static struct call *next_waiting(struct pool *p)
{
    struct list *first = list_first(&p->waiting);
    if (first == NULL)
        return NULL;
    list_remove(first);
    p->up->counts.queued--;
    return LIST_ENTRY(first, struct call, link);
}

static void advance(struct pool *p)
{
    while (has_room(p)) {
        struct call *c = next_waiting(p);
        if (c == NULL)
            return;
        conn_open(p, c);
    }
}

void pool_admit(struct pool *p, struct call *c)
{
    struct list *newest = list_last(&p->idle);
    if (newest) {
        list_remove(newest);
        list_push(&p->used, newest);
        p->up->counts.idle--;
        conn_use(LIST_ENTRY(newest, struct conn, link), c);
        return;
    }
    c->phase = CALL_QUEUED;
    list_push(&p->waiting, &c->link);
    p->up->counts.queued++;
    advance(p);
    if (c->phase == CALL_QUEUED)
        call_arm(c);
}

void pool_put(struct conn *n)
{
    struct pool *p = n->pool;
    n->is_reused = true;
    n->call = NULL;
    struct call *next = next_waiting(p);
    if (next) {
        conn_use(n, next);
        return;
    }
    list_remove(&n->link);
    list_push(&p->idle, &n->link);
    n->idle_since = loop_now(p->up->loop);
    p->up->counts.idle++;
    watch_set(&n->watch, WATCH_READ);
    if (p->up->sweep.deadline == 0)
        timer_set(&p->up->sweep, POOL_SWEEP_MS);
}

void pool_drop(struct conn *n)
{
    struct pool *p = n->pool;
    conn_close(n);
    advance(p);
}

void pool_reopen(struct conn *n)
{
    struct call *c = n->call;
    conn_close(n);
    conn_open(c->pool, c);
}

/* ---- pools ---- */

static uint64_t mix(uint64_t seed, const char *text)
{
    return text ? XXH3_64bits_withSeed(text, strlen(text), seed) : seed + 1;
}

static uint64_t hash_of(const struct endpoint *to)
{
    return mix(mix(mix(to->is_private, to->base_url), to->proxy), to->ca_file);
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_for(const struct pool *p, const struct endpoint *to)
{
    return is_same(p->base_url, to->base_url) && is_same(p->proxy, to->proxy) &&
           is_same(p->ca_file, to->ca_file) && p->target.is_private == to->is_private;
}

static void understand(struct pool *p, const struct endpoint *to)
{
    if (target_init(&p->target, to, &p->bad) < 0) {
        p->target.is_private = to->is_private;
        return;
    }
    p->connector = connector_new(p->up->loop, &p->target);
    p->path_len = strlen(p->target.path);
    int len = asprintf(&p->host_lines, " HTTP/1.1\r\nHost: %s\r\n", p->target.host);
    if (len < 0)
        abort();
    p->host_lines_len = (size_t)len;
}

static struct pool *pool_new(struct upstream *up, const struct endpoint *to, uint64_t hash)
{
    struct pool *p = xcalloc(1, sizeof *p);
    p->up = up;
    p->hash = hash;
    p->base_url = xstrdup(to->base_url);
    p->proxy = to->proxy ? xstrdup(to->proxy) : NULL;
    p->ca_file = to->ca_file ? xstrdup(to->ca_file) : NULL;
    list_init(&p->idle);
    list_init(&p->used);
    list_init(&p->waiting);
    understand(p, to);
    p->next = up->pools[hash % POOL_TABLE];
    up->pools[hash % POOL_TABLE] = p;
    return p;
}

struct pool *pool_of(struct upstream *up, const struct endpoint *to)
{
    uint64_t hash = hash_of(to);
    struct pool *p = up->pools[hash % POOL_TABLE];
    while (p && (p->hash != hash || !is_for(p, to)))
        p = p->next;
    if (p == NULL)
        p = pool_new(up, to, hash);
    p->most = to->max_connections;
    p->last_used = loop_now(up->loop);
    return p;
}

static void close_all(struct list *conns)
{
    LIST_EACH(it, conns)
    conn_close(LIST_ENTRY(it, struct conn, link));
}

void pool_free(struct pool *p)
{
    struct pool **at = &p->up->pools[p->hash % POOL_TABLE];
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    close_all(&p->idle);
    close_all(&p->used);
    if (p->connector)
        p->up->counts.refused_address += connector_refused(p->connector);
    connector_free(p->connector);
    target_clear(&p->target);
    free(p->host_lines);
    free(p->base_url);
    free(p->proxy);
    free(p->ca_file);
    free(p);
}

void pool_sweep(struct pool *p)
{
    uint64_t now = loop_now(p->up->loop);
    for (struct list *first; (first = list_first(&p->idle)) != NULL;) {
        struct conn *oldest = LIST_ENTRY(first, struct conn, link);
        if (now - oldest->idle_since < POOL_IDLE_MS)
            break;
        conn_close(oldest);
    }
    if (p->open == 0 && list_is_empty(&p->waiting) && now - p->last_used >= POOL_IDLE_MS)
        pool_free(p);
}
