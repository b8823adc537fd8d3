#include <math.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/scan.h"
#include "cmd/terminal.h"
#include "trace/tally.h"
#include "trace/text.h"

enum { REFRESH_MS = 1000, WINDOW_S = 60, PAGE_MAX = 256 * 1024 * 1024, ROWS = 20 };

struct view {
    const struct options *options;
    const struct show *show;
    struct scan scan;
    struct tally *tally;
    struct terminal terminal;
    struct buf out;
    double seconds; /* that the rates are over */
    size_t total;
};

static void put_ms(struct text *t, double n)
{
    if (isnan(n))
        text_printf(t, "%11s", "-");
    else
        text_printf(t, "%11.1f", n);
}

static void put_title(struct text *t, const char *name)
{
    text_colour(t, TEXT_BOLD);
    text_printf(t, "%10s%9s%9s%9s%11s%11s%12s  %s", "count", "/s", "share", "errors", "p50 ms", "p95 ms", "usd", name);
    text_colour(t, TEXT_PLAIN);
    text_end(t);
}

static void put_row(struct text *t, const struct view *v, const struct tally_row *row)
{
    char usd[48];
    text_printf(t, "%10zu%9.2f%8.1f%%", row->count, (double)row->count / v->seconds, 100.0 * (double)row->count / (double)v->total);
    text_colour(t, row->errors ? TEXT_RED : TEXT_PLAIN);
    text_printf(t, "%8.1f%%", 100.0 * (double)row->errors / (double)row->count);
    text_colour(t, TEXT_PLAIN);
    put_ms(t, row->p50_ms);
    put_ms(t, row->p95_ms);
    snprintf(usd, sizeof usd, row->usd != 0 && fabs(row->usd) < 1 ? "%.6f" : "%.2f", row->usd);
    text_printf(t, "%12s  ", usd);
    text_put(t, row->value.p ? row->value : str_of("-"));
    text_end(t);
}

static void put_table(struct view *v, const struct tally_row *rows, int count, int most)
{
    char name[64];
    const struct text_style style = {v->terminal.has_colour, v->terminal.width};
    struct text t = {&v->out, &style, false, 0};
    put_title(&t, field_query_name(v->show, name, sizeof name));
    for (int i = 0; i < count && i < most; i++)
        put_row(&t, v, &rows[i]);
    if (count > most) {
        text_printf(&t, "and %d more: -n shows them", count - most);
        text_end(&t);
    }
}

static void put_number(struct buf *out, const char *name, double n)
{
    buf_printf(out, isfinite(n) ? ",\"%s\":%.12g" : ",\"%s\":null", name, n);
}

static void put_json(struct view *v, const struct tally_row *rows, int count, int most)
{
    char name[64];
    struct buf *out = &v->out;
    buf_printf(out, "{\"by\":\"%s\",\"of\":\"%s\",\"seconds\":%.6f,\"total\":%zu,\"rows\":[", field_query_name(v->show, name, sizeof name),
               group_home(v->show->group) == GROUP_ATTEMPT ? "attempts" : "decisions", v->seconds, v->total);
    for (int i = 0; i < count && i < most; i++) {
        const struct tally_row *row = &rows[i];
        buf_puts(out, i ? ",{\"value\":" : "{\"value\":");
        row->value.p ? json_quote(out, row->value) : buf_puts(out, "null");
        buf_printf(out, ",\"count\":%zu,\"errors\":%zu", row->count, row->errors);
        put_number(out, "per_second", (double)row->count / v->seconds);
        put_number(out, "share", (double)row->count / (double)v->total);
        put_number(out, "error_rate", (double)row->errors / (double)row->count);
        put_number(out, "p50_ms", row->p50_ms);
        put_number(out, "p95_ms", row->p95_ms);
        put_number(out, "usd", row->usd);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}\n");
}

static void read_on(struct view *v)
{
    for (struct decision *d; (d = scan_next(&v->scan)); decision_free(d))
        tally_add(v->tally, d, v->scan.query);
}

/* Rates are over the span that was asked for, or from the first decision to the last; never over less than a second. */
static void measure(struct view *v, uint64_t since_us)
{
    uint64_t first, last;
    v->total = tally_total(v->tally, &first, &last);
    if (since_us)
        first = since_us, last = clock_wall_us();
    v->seconds = last > first + 1000000 ? (double)(last - first) / 1e6 : 1;
}

static bool show(struct view *v)
{
    const struct options *o = v->options;
    const struct tally_row *rows;
    int count = tally_rows(v->tally, &rows);
    buf_reset(&v->out);
    if (o->json)
        put_json(v, rows, count, o->count ? (int)o->count : count);
    else
        put_table(v, rows, count, o->count ? (int)o->count : ROWS);
    fwrite(v->out.p, 1, v->out.len, stdout);
    return fflush(stdout) == 0;
}

/* The last minute (or --since), again each second until interrupted. */
static void refresh(struct view *v)
{
    uint64_t window_us = v->options->since ? clock_wall_us() - v->scan.since_us : WINDOW_S * 1000000ull;
    bool is_seen = true;
    for (; is_seen; poll(NULL, 0, REFRESH_MS)) {
        v->scan.since_us = clock_wall_us() - window_us;
        read_on(v);
        tally_forget(v->tally, v->scan.since_us);
        measure(v, v->scan.since_us);
        printf("\033[H\033[2Jthe last %.0f s: %zu, %.2f/s (Ctrl-C ends it)\n", v->seconds, v->total, (double)v->total / v->seconds);
        is_seen = show(v);
    }
}

int cmd_top(struct options *o)
{
    struct err err;
    struct view v = {.options = o, .terminal = terminal_look(), .out = BUF(PAGE_MAX)};
    if ((v.show = column_find(o->by, &err)) == NULL)
        return complain(o, EXIT_USAGE, "--by: %s", err.message);
    int status = scan_open(&v.scan, o);
    if (status != EXIT_OK)
        return status;
    v.scan.by_record = true;
    if (column_is_late(v.show))
        reader_join(v.scan.reader);
    v.tally = tally_new(v.show);
    if (v.terminal.is_terminal && !o->json) {
        refresh(&v);
    } else {
        read_on(&v);
        measure(&v, v.scan.since_us);
        show(&v);
    }
    tally_free(v.tally);
    buf_clear(&v.out);
    scan_close(&v.scan);
    return EXIT_OK;
}
