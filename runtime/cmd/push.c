#include "cmd/push.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/command.h"
#include "net/fetch.h"
#include "trace/otlp.h"

enum { SPANS = 512, BATCH_MAX = 4 * DECISION_MAX, REPLY_MAX = 1 << 20, TRY_MS = 10000, LAST_TRY_MS = 5000, HEADERS_MOST = 16 };
enum { IDLE_MS = 200, LINGER_MS = 1000, FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 30000, PATIENCE_MS = 60000 };

struct push {
    struct scan *scan;
    char url[2048], cursor[3200];
    char header_text[8192];
    const char *headers[HEADERS_MOST + 1];
    bool follow;
    struct buf batch;
    int spans;
    uint64_t newest_us; /* of the batch: when its last decision ended */
    uint64_t sent, dropped;
};

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

/* ---- where it stands ---- */

static uint64_t read_cursor(const struct push *p)
{
    uint64_t at = 0;
    FILE *f = fopen(p->cursor, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%" SCNu64, &at) != 1)
        at = 0;
    fclose(f);
    return at;
}

static void write_cursor(const struct push *p)
{
    char fresh[sizeof p->cursor + 8];
    snprintf(fresh, sizeof fresh, "%s.new", p->cursor);
    FILE *f = p->follow ? fopen(fresh, "we") : NULL;
    if (f == NULL)
        return;
    fprintf(f, "%" PRIu64 "\n", p->newest_us);
    if (fclose(f) == 0)
        rename(fresh, p->cursor);
}

/* ---- one batch ---- */

/* Takes what is there, up to a batch. True when it is full. */
static bool gather(struct push *p, uint64_t after_us)
{
    struct decision *d;
    while (p->spans < SPANS && (d = scan_next(p->scan))) {
        if (d->ended_us > after_us) {
            if (p->spans == 0)
                otlp_open(&p->batch);
            int added = otlp_spans(&p->batch, d, p->spans == 0);
            p->spans += added > 0 ? added : 0;
            p->newest_us = d->ended_us > p->newest_us ? d->ended_us : p->newest_us;
        }
        decision_free(d);
    }
    return p->spans >= SPANS;
}

static bool may_try_again(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* Spans that a collector took the request for but refused. */
static uint64_t rejected(struct str reply)
{
    int64_t n = 0;
    struct arena arena = ARENA(4096);
    if (reply.len == 0 || json_validate(reply, NULL) < 0)
        return 0;
    struct str value = json_pointer(reply, "/partialSuccess/rejectedSpans"), text = json_text(value, &arena);
    json_integer(text.p ? text : value, &n);
    arena_clear(&arena);
    return n > 0 ? (uint64_t)n : 0;
}

/* 0: it is done with; else how long to wait before the next try. */
static unsigned try_once(struct push *p, unsigned wait_ms, unsigned timeout_ms)
{
    char after[64];
    struct fetch_field field = {"Retry-After", after, sizeof after};
    struct buf reply = BUF(REPLY_MAX);
    struct err err;
    int status = 0;
    uint64_t lost = 0;
    bool came = fetch_post(p->url, p->headers, buf_str(&p->batch), timeout_ms, &reply, &status, &field, &err) == 0;
    if (came && status >= 200 && status < 300) {
        lost = rejected(buf_str(&reply));
    } else if (!came || may_try_again(status)) {
        if (wait_ms == FIRST_WAIT_MS)
            log_warn("the collector %s; trying again", came ? "is busy" : err.message);
        double seconds = came ? strtod(after, NULL) : 0;
        buf_clear(&reply);
        return seconds > 0 && seconds < 3600 ? (unsigned)(seconds * 1000) : wait_ms;
    } else {
        lost = (uint64_t)p->spans;
        log_warn("the collector refused %d spans with %d: %.200s", p->spans, status, reply.p ? reply.p : "");
    }
    p->dropped += lost;
    p->sent += (uint64_t)p->spans - (lost < (uint64_t)p->spans ? lost : (uint64_t)p->spans);
    buf_clear(&reply);
    return 0;
}

static void close_batch(struct push *p)
{
    if (p->batch.len > 0 && p->spans > 0)
        otlp_close(&p->batch);
}

static void empty_batch(struct push *p)
{
    write_cursor(p);
    buf_reset(&p->batch);
    p->spans = 0;
}

/* False when the collector did not take it in time. */
static bool send_batch(struct push *p)
{
    unsigned wait_ms = FIRST_WAIT_MS, next_ms;
    uint64_t give_up = clock_ms() + PATIENCE_MS;
    close_batch(p);
    while ((next_ms = try_once(p, wait_ms, is_over ? LAST_TRY_MS : TRY_MS)) > 0) {
        if (is_over || (!p->follow && clock_ms() + next_ms > give_up))
            return false;
        poll(NULL, 0, (int)next_ms); /* a signal ends it */
        wait_ms = wait_ms * 2 < LONGEST_WAIT_MS ? wait_ms * 2 : LONGEST_WAIT_MS;
    }
    empty_batch(p);
    return true;
}

/* ---- the run ---- */

/* A batch goes when it is full, or a second after its first decision. */
static bool go_on(struct push *p, uint64_t after_us)
{
    uint64_t since = 0;
    for (bool is_last = false; !is_last;) {
        is_last = is_over || !p->follow;
        bool is_full = gather(p, after_us);
        since = p->spans == 0 ? clock_ms() : since;
        bool is_due = p->spans > 0 && (is_full || is_last || clock_ms() >= since + LINGER_MS);
        if (is_due && !send_batch(p))
            return false;
        is_last = is_last && !is_full;
        if (!is_full && !is_last)
            poll(NULL, 0, IDLE_MS);
    }
    return true;
}

static void set_headers(struct push *p, const char *text)
{
    char *rest = p->header_text, *item;
    int count = 0;
    static char lines[HEADERS_MOST][1024];
    snprintf(p->header_text, sizeof p->header_text, "%s", text ? text : "");
    while ((item = strsep(&rest, ",")) && count < HEADERS_MOST) {
        char *equals = strchr(item, '=');
        if (equals == NULL || strpbrk(item, "\r\n"))
            continue;
        snprintf(lines[count], sizeof lines[count], "%.*s: %s", (int)(equals - item), item, equals + 1);
        p->headers[count] = lines[count];
        count++;
    }
}

static void set_url(struct push *p, const char *url)
{
    static const char path[] = "/v1/traces";
    size_t len = strlen(url), ours = sizeof path - 1;
    bool has_path = len > ours && strcmp(url + len - ours, path) == 0;
    while (!has_path && len > 0 && url[len - 1] == '/')
        len--;
    snprintf(p->url, sizeof p->url, "%.*s%s", (int)len, url, has_path ? "" : path);
}

int push_run(struct scan *s, const char *url, const char *headers, bool follow, bool from_start)
{
    struct push p = {.scan = s, .follow = follow, .batch = BUF(BATCH_MAX)};
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    set_url(&p, url);
    set_headers(&p, headers);
    snprintf(p.cursor, sizeof p.cursor, "%s/otlp.sent", s->state);
    uint64_t after_us = follow && !from_start ? read_cursor(&p) : 0;
    bool is_whole = go_on(&p, after_us);
    uint64_t missed = reader_report(s->reader).missed;
    fprintf(stderr, "wye export: %" PRIu64 " spans sent, %" PRIu64 " dropped, %d not sent, %" PRIu64 " events deleted before they were read\n", p.sent,
            p.dropped, p.spans, missed);
    buf_clear(&p.batch);
    return is_whole && p.dropped == 0 ? EXIT_OK : EXIT_REFUSED;
}
