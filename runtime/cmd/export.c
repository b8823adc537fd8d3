#include "trace/export.h"

#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/push.h"
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
        otlp_open(out);
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

static int push(const struct options *o)
{
    struct scan s;
    bool is_url = strncmp(o->to, "http://", 7) == 0 || strncmp(o->to, "https://", 8) == 0;
    if (strcmp(o->as, "otlp") != 0 || !is_url)
        return complain(o, EXIT_USAGE, "--to takes http://… or https://…, with --as otlp");
    int status = scan_open(&s, o);
    if (status != EXIT_OK)
        return status;
    status = push_run(&s, o->to, o->otlp_headers, o->follow, o->since != NULL);
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
        return push(o);
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
