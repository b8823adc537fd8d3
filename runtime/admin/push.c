#include "admin/push.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "net/fetch.h"
#include "trace/otlp.h"
#include "vm/secret.h"

enum { SPANS = 512, BATCH_BYTES = 1 << 20, BATCH_MAX = 4 * DECISION_MAX, REPLY_MAX = 1 << 20, TRY_MS = 10000, LAST_TRY_MS = 5000 };
enum { IDLE_MS = 200, LINGER_MS = 1000, YOUNG_US = 250 * 1000, FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 30000, PATIENCE_MS = 60000 };
enum { LONGEST_AFTER_S = 3600, TELL_MS = 60000 };

#define ADD(field, n) atomic_fetch_add_explicit(&(field), (n), memory_order_relaxed)
#define STORE(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

/* ---- where it stands ---- */

uint64_t push_cursor(const char *path)
{
    uint64_t at = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%" SCNu64, &at) != 1)
        at = 0;
    fclose(f);
    return at;
}

int push_set_cursor(const char *path, uint64_t ended_us, struct err *err)
{
    char fresh[4200];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *f = fopen(fresh, "we");
    bool is_written = f && fprintf(f, "%" PRIu64 "\n", ended_us) > 0;
    is_written &= f && fclose(f) == 0;
    if (is_written && rename(fresh, path) == 0)
        return 0;
    return err_set(err, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
}

/* ---- waiting ---- */

/* True once one of the signals came, be it earlier. */
static bool wait_for(struct push *p, unsigned ms)
{
    struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};
    p->is_over = p->is_over || sigtimedwait(&p->signals, NULL, &span) > 0;
    return p->is_over;
}

/* ---- one batch ---- */

/* The next one that is old enough; NULL when there is none now. */
static struct decision *take(struct push *p)
{
    struct decision *d = p->held ? p->held : p->next(p->ctx);
    bool is_young = d && p->follows && !p->is_over && d->ended_us + YOUNG_US > clock_wall_us() && d->ended_us < clock_wall_us();
    p->held = is_young ? d : NULL;
    return is_young ? NULL : d;
}

static void begin(struct push *p)
{
    struct otlp_attribute own[COLLECTOR_ATTRIBUTES];
    for (int i = 0; i < p->to->attribute_count; i++)
        own[i] = (struct otlp_attribute){p->to->attributes[i].name, p->to->attributes[i].value};
    otlp_open(&p->batch, own, p->to->attribute_count);
}

static void add(struct push *p, const struct decision *d)
{
    if (p->spans == 0) {
        begin(p);
        STORE(p->board->waiting_us, d->ended_us);
    }
    int added = otlp_spans(&p->batch, d, p->spans == 0);
    p->spans += added > 0 ? added : 0;
    p->newest_us = d->ended_us > p->newest_us ? d->ended_us : p->newest_us;
}

/* What collectors and the proxies before them take at once. */
static bool is_full(const struct push *p)
{
    return p->spans >= SPANS || p->batch.len >= BATCH_BYTES;
}

/* Takes what is there, up to a batch. */
static void gather(struct push *p)
{
    struct decision *d;
    while (!is_full(p) && (d = take(p))) {
        if (d->ended_us > p->after_us)
            add(p, d);
        decision_free(d);
    }
    if (p->missed)
        STORE(p->board->missed, p->missed(p->ctx));
}

/* ---- one try ---- */

static bool may_try_again(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* Seconds, or a date of HTTP. */
static unsigned after_ms(const char *text, unsigned otherwise_ms)
{
    struct tm date = {0};
    char *end;
    double seconds = strtod(text, &end);
    if (end == text && strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &date))
        seconds = difftime(timegm(&date), time(NULL));
    unsigned ms = seconds > 0 ? (unsigned)((seconds < LONGEST_AFTER_S ? seconds : LONGEST_AFTER_S) * 1000) : 0;
    return ms > 0 ? ms : otherwise_ms;
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

static void note(struct push *p, const char *words)
{
    snprintf(p->board->words, sizeof p->board->words, "%s", words);
}

/* An outage is told once, when it begins and when it ends. */
static unsigned fail(struct push *p, const char *words, unsigned wait_ms)
{
    ADD(p->board->tries_failed, 1);
    note(p, words);
    if (!p->is_down)
        log_warn("%s; trying again", words);
    p->is_down = true;
    return wait_ms;
}

/* What it refuses is told once a minute. */
static uint64_t refuse(struct push *p, int status, struct str reply)
{
    char words[200];
    snprintf(words, sizeof words, "the collector refused %d spans with %d: " STR_FMT, p->spans, status, (int)(reply.len < 120 ? reply.len : 120), reply.p ? reply.p : "");
    note(p, words);
    if (p->told_ms == 0 || clock_ms() > p->told_ms + TELL_MS) {
        log_warn("%s", words);
        p->told_ms = clock_ms();
    }
    return (uint64_t)p->spans;
}

static unsigned settle(struct push *p, uint64_t lost)
{
    lost = lost < (uint64_t)p->spans ? lost : (uint64_t)p->spans;
    ADD(p->board->refused, lost);
    ADD(p->board->sent, (uint64_t)p->spans - lost);
    if (p->is_down)
        log_info("the collector takes spans again");
    p->is_down = false;
    return 0;
}

struct lines {
    char *all[COLLECTOR_HEADERS + 1];
};

/* Read anew for each request, so that a key that changes on disk is taken. False with words. */
static bool write_lines(const struct collector *c, struct lines *l, char *words, size_t size)
{
    *l = (struct lines){0};
    for (int i = 0; i < c->header_count; i++) {
        char *value = collector_header(&c->headers[i]);
        if (value == NULL)
            return collector_problem(c, words, size) == NULL;
        if (asprintf(&l->all[i], "%s: %s", c->headers[i].name, value) < 0)
            l->all[i] = NULL;
        secret_forget(value);
    }
    return true;
}

static void clear_lines(struct lines *l)
{
    for (int i = 0; i < COLLECTOR_HEADERS; i++)
        secret_forget(l->all[i]);
}

/* 0: the batch is done with; else how long to wait before the next try. */
static unsigned try_once(struct push *p, unsigned wait_ms)
{
    char after[64], words[400] = "";
    struct fetch_field field = {"Retry-After", after, sizeof after};
    struct buf reply = BUF(REPLY_MAX);
    struct lines lines;
    struct err err;
    int status = 0;
    unsigned next_ms;
    bool is_ready = write_lines(p->to, &lines, words, sizeof words);
    struct fetch_to to = {p->url, (const char *const *)lines.all, p->to->proxy[0] ? p->to->proxy : NULL, p->to->ca[0] ? p->to->ca : NULL, p->to->is_private};
    bool has_come = is_ready && fetch_url(&to, "POST", buf_str(&p->batch), p->is_over ? LAST_TRY_MS : TRY_MS, &reply, &status, &field, &err) == 0;
    if (has_come && status >= 200 && status < 300) {
        note(p, "");
        next_ms = settle(p, rejected(buf_str(&reply)));
    } else if (has_come && !may_try_again(status)) {
        next_ms = settle(p, refuse(p, status, buf_str(&reply)));
    } else if (has_come) {
        snprintf(words, sizeof words, "the collector is busy (%d)", status);
        next_ms = fail(p, words, after_ms(after, wait_ms));
    } else {
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", is_ready ? "the collector cannot be reached: " : "", is_ready ? err.message : "");
        next_ms = fail(p, words, wait_ms);
    }
    clear_lines(&lines);
    buf_clear(&reply);
    return next_ms;
}

static void empty_batch(struct push *p)
{
    struct err err;
    if (p->cursor && push_set_cursor(p->cursor, p->newest_us, &err) < 0 && p->told_ms == 0) {
        p->told_ms = clock_ms();
        log_warn("%s: the next push begins where this one did", err.message);
    }
    buf_reset(&p->batch);
    p->spans = 0;
    STORE(p->board->waiting_us, 0);
}

/* Many hosts that lost one collector do not come back at once. */
static unsigned jitter(unsigned ms)
{
    return ms - (unsigned)(clock_ns() / 1000 % (ms / 4 + 1));
}

/* False when the collector did not take it in time. */
static bool send_batch(struct push *p)
{
    unsigned wait_ms = FIRST_WAIT_MS, next_ms;
    uint64_t give_up = clock_ms() + PATIENCE_MS;
    otlp_close(&p->batch);
    while ((next_ms = try_once(p, jitter(wait_ms))) > 0) {
        if (p->is_over || (!p->follows && clock_ms() + next_ms > give_up))
            return false;
        wait_for(p, next_ms);
        wait_ms = wait_ms * 2 < LONGEST_WAIT_MS ? wait_ms * 2 : LONGEST_WAIT_MS;
    }
    empty_batch(p);
    return true;
}

/* ---- the run ---- */

static void set_url(struct push *p)
{
    static const char path[] = "/v1/traces";
    const char *url = p->to->url;
    size_t len = strlen(url), ours = sizeof path - 1;
    bool has_path = len > ours && strcmp(url + len - ours, path) == 0;
    while (!has_path && len > 0 && url[len - 1] == '/')
        len--;
    snprintf(p->url, sizeof p->url, "%.*s%s", (int)len, url, has_path ? "" : path);
}

void push_open(struct push *p)
{
    p->batch = BUF(BATCH_MAX);
    sigprocmask(SIG_BLOCK, &p->signals, NULL);
    set_url(p);
}

/* A batch goes when it is full, or a second after its first decision. */
bool push_run(struct push *p)
{
    uint64_t since = 0;
    for (bool is_last = false; !is_last;) {
        is_last = p->is_over || !p->follows;
        since = p->spans == 0 ? clock_ms() : since;
        gather(p);
        bool was_full = is_full(p), is_due = p->spans > 0 && (was_full || is_last || clock_ms() >= since + LINGER_MS);
        bool is_stuck = is_due && !send_batch(p);
        if (is_stuck || (p->is_over && !p->follows))
            return false;
        is_last = is_last && !was_full;
        if (!is_last)
            wait_for(p, was_full ? 0 : IDLE_MS);
    }
    return true;
}

void push_close(struct push *p)
{
    if (p->held)
        decision_free(p->held);
    buf_clear(&p->batch);
}
