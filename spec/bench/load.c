/*
 * load: the kinds of load that wrk has not. Every kind posts the body read from a file to /v1/chat/completions.
 *
 *     load hold PORT BODY -c N            opens N connections, posts on each, prints "open N", stays until standard input ends
 *     load idle PORT BODY -c N            the same, each having read its reply before the next posts
 *     load rate PORT BODY -c N -r R -s S  R requests a second for S seconds over N connections; latency counts from the time
 *                                         a request was due, so a router that stalls cannot hide the requests it delayed
 *     load events PORT BODY -c N -s S     streams one after another on N connections; times each event against the clock in it
 *
 * rate and events end with one line of JSON. One thread, epoll.
 */
#include <errno.h>
#include <fcntl.h>
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

enum { BATCH = 256, ROOM = 16384, SAMPLES = 4000000 };

struct conn {
    int fd;
    size_t len;
    long long due; /* when the request in flight should have started */
    bool is_busy;
    struct conn *next_free;
    char in[ROOM];
};

static int epoll_fd, port;
static char *request;
static size_t request_len;
static struct conn *idle;
static unsigned long requests, errors, events, held_back;
static unsigned *samples; /* microseconds */
static size_t sample_count;

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sample(long long ns)
{
    if (sample_count < SAMPLES)
        samples[sample_count++] = (unsigned)(ns / 1000);
}

static void read_request(const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL)
        die(path);
    static char body[1 << 20];
    size_t n = fread(body, 1, sizeof body, f);
    fclose(f);
    request = malloc(n + 256);
    request_len = (size_t)sprintf(request,
                                  "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\n"
                                  "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                                  n);
    memcpy(request + request_len, body, n);
    request_len += n;
}

static void connect_to(struct conn *c)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (void *)&at, sizeof at) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
}

/* A request is written in one blocking call: the router always reads. */
static void post(struct conn *c, long long due)
{
    c->due = due;
    c->is_busy = true;
    c->len = 0;
    if (send(c->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len)
        errors++;
}

static void lost(struct conn *c)
{
    errors++;
    close(c->fd);
    connect_to(c);
}

/* Reads what there is; false when the connection had to be replaced. */
static bool receive(struct conn *c)
{
    if (c->len >= ROOM - 1) {
        errno = EMSGSIZE;
        die("reply");
    }
    ssize_t n = recv(c->fd, c->in + c->len, ROOM - 1 - c->len, MSG_DONTWAIT);
    if (n > 0) {
        c->len += (size_t)n;
        c->in[c->len] = '\0';
        return true;
    }
    if (n < 0 && errno == EAGAIN)
        return false;
    lost(c);
    c->is_busy = false;
    return false;
}

static bool is_whole(struct conn *c)
{
    char *end = strstr(c->in, "\r\n\r\n");
    if (end == NULL)
        return false;
    char *length = strcasestr(c->in, "\r\ncontent-length:");
    if (length == NULL)
        die("a reply without a length");
    if (c->len < (size_t)(end + 4 - c->in) + strtoul(length + 17, NULL, 10))
        return false;
    if (strncmp(c->in, "HTTP/1.1 200", 12) != 0)
        errors++;
    return true;
}

static void take_reply(struct conn *c)
{
    if (receive(c) && is_whole(c)) {
        sample(now_ns() - c->due);
        requests++;
        c->is_busy = false;
    }
    if (!c->is_busy) {
        c->next_free = idle;
        idle = c;
    }
}

/* Counts whole events; those that came together with a later one were held back. */
static void take_events(struct conn *c)
{
    if (!receive(c)) {
        if (!c->is_busy)
            post(c, 0);
        return;
    }
    static const char mark[] = "\"content\":\"";
    long long now = now_ns();
    char *at = c->in, *rest = c->in;
    int here = 0;
    while ((at = strstr(at, mark)) && strstr(at, "\n\n")) {
        sample(now - atoll(at + sizeof mark - 1));
        here++;
        at = rest = strstr(at, "\n\n");
    }
    events += (unsigned)here;
    held_back += here > 1 ? (unsigned)here - 1 : 0;
    if (strstr(rest, "[DONE]\n\n\r\n0\r\n\r\n")) {
        requests++;
        post(c, 0);
        return;
    }
    c->len -= (size_t)(rest - c->in);
    memmove(c->in, rest, c->len + 1);
}

static void wait_ready(long long timeout_ns, void (*take)(struct conn *c))
{
    struct epoll_event ready[BATCH];
    struct timespec t = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    int n = epoll_pwait2(epoll_fd, ready, BATCH, timeout_ns < 0 ? NULL : &t, NULL);
    for (int i = 0; i < n; i++)
        take(ready[i].data.ptr);
}

static int by_size(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

static unsigned percentile(double p)
{
    return sample_count ? samples[(size_t)((double)(sample_count - 1) * p)] : 0;
}

static void report(double seconds)
{
    qsort(samples, sample_count, sizeof *samples, by_size);
    printf("{\"requests\":%lu,\"errors\":%lu,\"events\":%lu,\"held_back\":%lu,\"seconds\":%.3f,"
           "\"p50\":%u,\"p99\":%u}\n",
           requests, errors, events, held_back, seconds, percentile(0.5), percentile(0.99));
}

static void run_rate(double rate, double seconds)
{
    long long start = now_ns(), end = start + (long long)(seconds * 1e9);
    long long step = (long long)(1e9 / rate), due = start;
    for (long long now; (now = now_ns()) < end;) {
        while (idle && due <= now) {
            struct conn *c = idle;
            idle = c->next_free;
            post(c, due);
            due += step;
        }
        long long left = idle ? due - now : end - now;
        wait_ready(left > 0 ? left : 0, take_reply);
    }
    report((double)(now_ns() - start) / 1e9);
}

static void run_events(struct conn *conns, int count, double seconds)
{
    long long start = now_ns(), end = start + (long long)(seconds * 1e9);
    for (int i = 0; i < count; i++)
        post(&conns[i], 0);
    for (long long now; (now = now_ns()) < end;)
        wait_ready(end - now, take_events);
    report((double)(now_ns() - start) / 1e9);
}

static void run_open(struct conn *conns, int count, bool reads)
{
    for (int i = 0; i < count; i++) {
        post(&conns[i], 0);
        while (reads && requests <= (unsigned long)i)
            wait_ready(-1, take_reply);
    }
    printf("open %d\n", count);
    fflush(stdout);
    while (getchar() != EOF)
        ;
}

int main(int argc, char **argv)
{
    int count = 64;
    double rate = 1000, seconds = 3;
    if (argc < 4)
        return 2;
    optind = 4;
    for (int o; (o = getopt(argc, argv, "c:r:s:")) != -1;) {
        if (o == 'c')
            count = atoi(optarg);
        else if (o == 'r')
            rate = atof(optarg);
        else if (o == 's')
            seconds = atof(optarg);
        else
            return 2;
    }
    port = atoi(argv[2]);
    read_request(argv[3]);
    epoll_fd = epoll_create1(0);
    struct conn *conns = calloc((size_t)count, sizeof *conns);
    samples = malloc(SAMPLES * sizeof *samples);
    if (conns == NULL || samples == NULL)
        die("memory");
    for (int i = 0; i < count; i++) {
        connect_to(&conns[i]);
        conns[i].next_free = idle;
        idle = &conns[i];
    }
    if (strcmp(argv[1], "rate") == 0)
        run_rate(rate, seconds);
    else if (strcmp(argv[1], "events") == 0)
        run_events(conns, count, seconds);
    else
        run_open(conns, count, strcmp(argv[1], "idle") == 0);
    return 0;
}
