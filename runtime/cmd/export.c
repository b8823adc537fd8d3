#include "trace/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/push.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/scan.h"
#include "trace/otlp.h"
#include "trace/perfetto.h"

enum { OUT_MAX = 4 * DECISION_MAX, SPANS_A_LINE = 512 };

/* Prints what was put together; false once nobody reads it. */
static bool flush(struct buf *out)
{
    if (out->len > 0)
        fwrite(out->p, 1, out->len, stdout);
    buf_reset(out);
    return !ferror(stdout);
}

static void export_lines(struct scan *s, struct buf *out)
{
    bool is_read = true;
    reader_join(s->reader);
    for (struct decision *d; is_read && (d = scan_next(s)); decision_free(d)) {
        export_decision(out, d);
        buf_putc(out, '\n');
        is_read = flush(out);
    }
}

/* Each line is a whole request of at most SPANS_A_LINE spans or a few more; none at all is one without spans. */
static void export_otlp(struct scan *s, struct buf *out)
{
    bool is_read = true, is_first = true;
    struct decision *d = scan_next(s);
    for (; is_read && (d || is_first); is_first = false) {
        int count = 0;
        otlp_open(out, NULL, 0);
        for (; d && count < SPANS_A_LINE; d = scan_next(s)) {
            int added = otlp_spans(out, d, count == 0);
            count += added > 0 ? added : 0;
            decision_free(d);
        }
        otlp_close(out);
        buf_putc(out, '\n');
        is_read = flush(out);
    }
    if (d)
        decision_free(d);
}

static void export_perfetto(struct scan *s, struct buf *out)
{
    bool is_read = true;
    struct perfetto *p = perfetto_open(out);
    for (struct decision *d; is_read && (d = scan_next(s)); decision_free(d)) {
        perfetto_add(p, d);
        is_read = flush(out);
    }
    perfetto_close(p);
    flush(out);
}

/* ---- to a collector ---- */

/* NAME=VALUE,NAME=VALUE, as OTEL_EXPORTER_OTLP_HEADERS has them. */
static void set_headers(struct collector *c, const char *text)
{
    for (const char *at = text ? text : ""; *at && c->header_count < COLLECTOR_HEADERS; at += *at == ',') {
        struct collector_header *h = &c->headers[c->header_count];
        size_t len = strcspn(at, ","), name = strcspn(at, "=");
        if (name > 0 && name < len && name < sizeof h->name && len - name <= sizeof h->value && strcspn(at, "\r\n") >= len) {
            memcpy(h->name, at, name);
            memcpy(h->value, at + name + 1, len - name - 1);
            c->header_count++;
        }
        at += len;
    }
}

static struct decision *next(void *ctx)
{
    return scan_next(ctx);
}

static uint64_t missed(void *ctx)
{
    const struct scan *s = ctx;
    return reader_report(s->reader).missed;
}

/* The URL and what it is reached by are the caller's own: any address will do. */
static int push(struct scan *s, const struct options *o)
{
    static struct collector to = {.is_private = true};
    static struct push_board board;
    char cursor[sizeof s->state + 16];
    struct push p = {.to = &to, .board = &board, .next = next, .missed = missed, .ctx = s, .cursor = o->follow ? cursor : NULL, .follows = o->follow};
    snprintf(to.url, sizeof to.url, "%s", o->to);
    set_headers(&to, o->otlp_headers);
    snprintf(cursor, sizeof cursor, "%s/otlp.sent", s->state);
    p.after_us = o->follow && !o->since ? push_cursor(cursor) : 0;
    sigaddset(&p.signals, SIGINT);
    sigaddset(&p.signals, SIGTERM);
    push_open(&p);
    bool is_whole = push_run(&p);
    fprintf(stderr, "wye export: %" PRIu64 " spans sent, %" PRIu64 " dropped, %d not sent, %" PRIu64 " events deleted before they were read\n",
            atomic_load(&board.sent), atomic_load(&board.refused), p.spans, atomic_load(&board.missed));
    push_close(&p);
    return is_whole && atomic_load(&board.refused) == 0 ? EXIT_OK : EXIT_REFUSED;
}

static int export_to(const struct options *o)
{
    struct scan s;
    bool is_url = strncmp(o->to, "http://", 7) == 0 || strncmp(o->to, "https://", 8) == 0;
    if (strcmp(o->as, "otlp") != 0 || !is_url || strlen(o->to) >= sizeof((struct collector *)0)->url)
        return complain(o, EXIT_USAGE, "--to takes http://… or https://…, with --as otlp");
    int status = scan_open(&s, o);
    if (status != EXIT_OK)
        return status;
    status = push(&s, o);
    scan_close(&s);
    return status;
}

int cmd_export(struct options *o)
{
    static const struct {
        const char *name;
        void (*run)(struct scan *s, struct buf *out);
    } formats[] = {{"jsonl", export_lines}, {"otlp", export_otlp}, {"perfetto", export_perfetto}};
    struct scan s;
    if (o->to)
        return export_to(o);
    if (o->follow)
        return complain(o, EXIT_USAGE, "-f goes with --to; `wye trace -f --json` follows as JSON lines");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(o->as, formats[i].name) != 0)
            continue;
        int status = scan_open(&s, o);
        if (status != EXIT_OK)
            return status;
        struct buf out = BUF(OUT_MAX);
        formats[i].run(&s, &out);
        buf_clear(&out);
        scan_close(&s);
        return fflush(stdout) == 0 ? EXIT_OK : EXIT_REFUSED;
    }
    return complain(o, EXIT_USAGE, "--as %s: it takes jsonl, otlp or perfetto", o->as);
}
