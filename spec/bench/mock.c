/*
 * mock: an upstream that costs next to nothing, so that what a benchmark measures is the router before it.
 *
 * Answers any POST with a completion of 600 bytes at once. The last part of the body's model name asks for more:
 * "hold" keeps the request open until GET /release, "events" streams -n events, one each -i milliseconds, each with
 * the clock at its sending as its content. GET /held answers how many are held. One thread, epoll, no limits.
 *
 *     mock [-n EVENTS] [-i MILLISECONDS]      prints "mock PORT" once it listens on a free port of 127.0.0.1
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_ROOM = 2048, BATCH = 256 };

struct conn {
    int fd;
    char *in;
    size_t len, room;
    bool is_held;
    int events_left; /* of a stream; 0: none */
    long long due;   /* when its next event goes out, ns */
    struct conn *before, *after;
};

static int epoll_fd;
static int event_count = 100;
static long long event_every = 5000000;
static char reply[1024];
static size_t reply_len;
static int held;

/* Held requests in no order; streams ordered by `due`, which holds because all have one interval. */
static struct conn holding = {.before = &holding, .after = &holding};
static struct conn streaming = {.before = &streaming, .after = &streaming};

static void die(const char *what)
{
    fprintf(stderr, "mock: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void append(struct conn *list, struct conn *c)
{
    c->before = list->before;
    c->after = list;
    c->before->after = c->after->before = c;
}

static void detach(struct conn *c)
{
    if (c->after == NULL)
        return;
    c->before->after = c->after;
    c->after->before = c->before;
    c->before = c->after = NULL;
}

static void close_conn(struct conn *c)
{
    detach(c);
    held -= c->is_held;
    close(c->fd);
    free(c->in);
    free(c);
}

/* Nothing here outgrows a socket's buffer, so a short send means that the reader has stalled. */
static void send_all(struct conn *c, const char *p, size_t len)
{
    ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);
    if (n != (ssize_t)len && !(n < 0 && (errno == EPIPE || errno == ECONNRESET)))
        fprintf(stderr, "mock: a reader stalled\n");
}

static void make_reply(void)
{
    static char body[640];
    const char *head = "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
                       "\"model\":\"mock\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                       "\"content\":\"";
    const char *tail = "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":200,"
                       "\"completion_tokens\":80,\"total_tokens\":280}}";
    int fill = 600 - (int)(strlen(head) + strlen(tail));
    size_t len = (size_t)snprintf(body, sizeof body, "%s%.*s%s", head, fill,
                                  "The quick brown fox jumps over the lazy dog while the five boxing wizards "
                                  "jump quickly and pack my box with a dozen liquor jugs, then how vexingly "
                                  "quick daft zebras jump over the sphinx of black quartz, judge my vow: "
                                  "amazingly few discotheques provide jukeboxes, and so on and on and on it "
                                  "goes until all of the room is used.",
                                  tail);
    reply_len = (size_t)snprintf(reply, sizeof reply,
                                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Content-Length: %zu\r\n\r\n%s",
                                 len, body);
}

static void send_event(struct conn *c)
{
    char event[256], out[320];
    int len;
    c->events_left--;
    if (c->events_left > 0)
        len = snprintf(event, sizeof event,
                       "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1,"
                       "\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%020lld\"},"
                       "\"finish_reason\":null}]}\n\n",
                       now_ns());
    else
        len = snprintf(event, sizeof event, "data: [DONE]\n\n");
    len = snprintf(out, sizeof out, "%x\r\n%s\r\n%s", len, event, c->events_left ? "" : "0\r\n\r\n");
    send_all(c, out, (size_t)len);
}

static void start_stream(struct conn *c)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";
    send_all(c, head, sizeof head - 1);
    c->events_left = event_count + 1;
    c->due = now_ns() + event_every;
    append(&streaming, c);
}

static void send_number(struct conn *c, int n)
{
    char out[128];
    int len = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%7d\n", n);
    send_all(c, out, (size_t)len);
}

static void release(void)
{
    while (holding.after != &holding) {
        struct conn *c = holding.after;
        detach(c);
        c->is_held = false;
        held--;
        send_all(c, reply, reply_len);
    }
}

static bool model_is(const char *body, size_t len, const char *name)
{
    const char *p = memmem(body, len, "\"model\":\"", 9);
    if (p == NULL)
        return false;
    p += 9;
    const char *end = memchr(p, '"', (size_t)(body + len - p));
    size_t n = strlen(name);
    return end && (size_t)(end - p) >= n && memcmp(end - n, name, n) == 0;
}

static void answer(struct conn *c, const char *body, size_t len)
{
    if (memcmp(c->in, "GET /held", 9) == 0) {
        send_number(c, held);
    } else if (memcmp(c->in, "GET /release", 12) == 0) {
        send_number(c, held);
        release();
    } else if (model_is(body, len, "hold")) {
        c->is_held = true;
        held++;
        append(&holding, c);
    } else if (model_is(body, len, "events")) {
        start_stream(c);
    } else {
        send_all(c, reply, reply_len);
    }
}

static size_t content_length(char *head, const char *end)
{
    for (char *line = head; line < end; line = strchr(line, '\n') + 1)
        if (strncasecmp(line, "content-length:", 15) == 0)
            return strtoul(line + 15, NULL, 10);
    return 0;
}

/* Answers each whole request that has arrived. */
static void take_requests(struct conn *c)
{
    for (;;) {
        c->in[c->len] = '\0';
        char *end = strstr(c->in, "\r\n\r\n");
        if (end == NULL)
            return;
        size_t head = (size_t)(end - c->in) + 4, body = content_length(c->in, end);
        if (c->len < head + body)
            return;
        answer(c, c->in + head, body);
        c->len -= head + body;
        memmove(c->in, c->in + head + body, c->len);
    }
}

static void readable(struct conn *c)
{
    if (c->room - c->len < FIRST_ROOM) {
        c->room = c->room ? c->room * 4 : FIRST_ROOM * 2;
        c->in = realloc(c->in, c->room);
        if (c->in == NULL)
            die("memory");
    }
    ssize_t n = recv(c->fd, c->in + c->len, c->room - c->len - 1, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close_conn(c);
        return;
    }
    c->len += (size_t)n;
    take_requests(c);
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0)
            return;
        struct conn *c = calloc(1, sizeof *c);
        if (c == NULL)
            die("memory");
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
    }
}

/* Sends what is due; returns the milliseconds until the next, -1 without streams. */
static int run_streams(void)
{
    while (streaming.after != &streaming) {
        struct conn *c = streaming.after;
        long long left = c->due - now_ns();
        if (left > 0)
            return (int)(left / 1000000) + 1;
        detach(c);
        send_event(c);
        c->due += event_every;
        if (c->events_left > 0)
            append(&streaming, c);
    }
    return -1;
}

static int listen_any(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (fd < 0 || bind(fd, (void *)&at, size) != 0 || listen(fd, 4096) != 0)
        die("listen");
    getsockname(fd, (void *)&at, &size);
    printf("mock %d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    for (int o; (o = getopt(argc, argv, "n:i:")) != -1;) {
        if (o == 'n')
            event_count = atoi(optarg);
        else if (o == 'i')
            event_every = atoll(optarg) * 1000000;
        else
            return 2;
    }
    make_reply();
    epoll_fd = epoll_create1(0);
    int listener = listen_any();
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, ready[BATCH];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(epoll_fd, ready, BATCH, run_streams());
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr)
                readable(ready[i].data.ptr);
            else
                accept_all(listener);
        }
    }
}
