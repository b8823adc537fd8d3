#include "admin/exporter.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "trace/reader.h"

enum { LOW_PRIORITY = 10, WAITING_S = 5 };

static struct decision *next(void *ctx)
{
    return reader_next(ctx);
}

static uint64_t missed(void *ctx)
{
    return reader_report(ctx).missed;
}

void exporter_cursor(const char *state_dir, char *out, size_t size)
{
    snprintf(out, size, "%s/otlp.cursor", state_dir);
}

static int run(const struct exporter_options *o, struct reader *r)
{
    char cursor[PATH_MAX], words[400];
    exporter_cursor(o->state_dir, cursor, sizeof cursor);
    struct push p = {.to = o->to, .board = &o->board->push, .next = next, .missed = missed, .ctx = r, .cursor = cursor, .follows = true};
    p.after_us = push_cursor(cursor);
    if (collector_problem(o->to, words, sizeof words))
        log_warn("%s: nothing is sent until it is", words);
    sigaddset(&p.signals, SIGUSR1);
    push_open(&p);
    bool is_whole = push_run(&p);
    if (!is_whole)
        log_warn("%d spans are left for the next start: %s", p.spans, o->board->push.words);
    push_close(&p);
    return EXIT_SUCCESS;
}

/* Signals to the whole group, of a terminal or of systemd, come while the workers still finish requests. */
static void ignore_signals(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

int exporter_run(const struct exporter_options *o)
{
    struct err err;
    ignore_signals();
    setpriority(PRIO_PROCESS, 0, LOW_PRIORITY);
    struct reader *r = reader_open(o->trace_dir, &err);
    if (r == NULL) {
        log_error("no spans are sent: %s", err.message);
        return EXIT_FAILURE;
    }
    int status = run(o, r);
    reader_close(r);
    return status;
}

/* ---- what it tells ---- */

static double behind_s(const struct exporter_board *b)
{
    uint64_t waiting = atomic_load(&b->push.waiting_us), now = clock_wall_us();
    return waiting && now > waiting ? (double)(now - waiting) / 1e6 : 0;
}

void exporter_json(const struct exporter_board *b, struct buf *out)
{
    const struct push_board *p = &b->push;
    char words[sizeof p->words];
    if (!atomic_load(&b->is_running)) {
        buf_puts(out, "null");
        return;
    }
    snprintf(words, sizeof words, "%s", p->words);
    double behind = behind_s(b);
    buf_puts(out, "{\"url\":");
    json_quote(out, str_of(b->url));
    buf_printf(out, ",\"state\":\"%s\",\"sent\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"missed\":%" PRIu64 ",\"tries_failed\":%" PRIu64 ",\"behind_s\":%.3f,\"problem\":",
               words[0] ? "down" : behind > WAITING_S ? "waiting" : "sending", atomic_load(&p->sent), atomic_load(&p->refused), atomic_load(&p->missed),
               atomic_load(&p->tries_failed), behind);
    json_quote_z(out, words[0] ? words : NULL);
    buf_putc(out, '}');
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void exporter_metrics(const struct exporter_board *b, struct buf *out)
{
    const struct push_board *p = &b->push;
    if (!atomic_load(&b->is_running))
        return;
    head(out, "wye_otlp_spans_total", "counter", "Spans by what the collector did with them");
    buf_printf(out, "wye_otlp_spans_total{result=\"sent\"} %" PRIu64 "\nwye_otlp_spans_total{result=\"refused\"} %" PRIu64 "\n", atomic_load(&p->sent),
               atomic_load(&p->refused));
    head(out, "wye_otlp_tries_failed_total", "counter", "Requests to the collector that did not come through and were sent again");
    buf_printf(out, "wye_otlp_tries_failed_total %" PRIu64 "\n", atomic_load(&p->tries_failed));
    head(out, "wye_otlp_missed_events_total", "counter", "Events of the trace that its size limit deleted before they were sent");
    buf_printf(out, "wye_otlp_missed_events_total %" PRIu64 "\n", atomic_load(&p->missed));
    head(out, "wye_otlp_behind_seconds", "gauge", "How long the oldest decision that is not sent yet has waited");
    buf_printf(out, "wye_otlp_behind_seconds %.3f\n", behind_s(b));
}
