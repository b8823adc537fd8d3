#include <math.h>
#include <stdio.h>

#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/scan.h"
#include "cmd/terminal.h"
#include "trace/column.h"
#include "trace/spread.h"
#include "trace/text.h"

enum { PAGE_MAX = 1024 * 1024, BAR = 40, BAR_ROOM = 50, BAR_WIDEST = 100 };

static const double QUANTILES[] = {0.5, 0.9, 0.95, 0.99};
enum { QUANTILE_COUNT = sizeof QUANTILES / sizeof *QUANTILES };

static void put_bar(struct text *t, size_t count, size_t most, int width)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int parts = (int)(8.0 * width * (double)count / (double)most);
    for (int i = 0; i < parts / 8; i++)
        text_z(t, "█");
    text_z(t, count > 0 && parts == 0 ? eighths[1] : eighths[parts % 8]);
}

static int bar_width(const struct text_style *style)
{
    int width = style->width ? style->width - BAR_ROOM : BAR;
    return width < 8 ? 8 : width > BAR_WIDEST ? BAR_WIDEST : width;
}

static void put_page(struct text *t, const struct spread *s, const struct bucket *buckets, int count, const char *name, size_t absent)
{
    size_t most = 1;
    text_colour(t, TEXT_BOLD);
    text_z(t, name);
    text_colour(t, TEXT_PLAIN);
    text_printf(t, "  %zu, least %.6g, mean %.6g, most %.6g", s->count, s->values[0], spread_mean(s), s->values[s->count - 1]);
    if (absent)
        text_printf(t, " (%zu without)", absent);
    text_end(t);
    for (int i = 0; i < QUANTILE_COUNT; i++)
        text_printf(t, "%sp%g %.6g", i ? "  " : "", 100 * QUANTILES[i], spread_quantile(s, QUANTILES[i]));
    text_end(t);
    text_end(t);
    for (int i = 0; i < count; i++)
        most = buckets[i].count > most ? buckets[i].count : most;
    for (int i = 0; i < count; i++) {
        const struct bucket *b = &buckets[i];
        if (b->from == b->to)
            text_printf(t, "%23.6g", b->from);
        else
            text_printf(t, "%10.4g … %10.4g", b->from, b->to);
        text_printf(t, "%10zu %5.1f%% ", b->count, 100.0 * (double)b->count / (double)s->count);
        text_colour(t, TEXT_CYAN);
        put_bar(t, b->count, most, bar_width(t->style));
        text_colour(t, TEXT_PLAIN);
        text_end(t);
    }
}

static void put_json(struct buf *out, const struct spread *s, const struct bucket *buckets, int count, const char *name, size_t absent)
{
    bool any = s->count > 0;
    buf_printf(out, "{\"field\":\"%s\",\"count\":%zu,\"absent\":%zu", name, s->count, absent);
    if (any)
        buf_printf(out, ",\"min\":%.12g,\"mean\":%.12g,\"max\":%.12g", s->values[0], spread_mean(s), s->values[s->count - 1]);
    for (int i = 0; any && i < QUANTILE_COUNT; i++)
        buf_printf(out, ",\"p%g\":%.12g", 100 * QUANTILES[i], spread_quantile(s, QUANTILES[i]));
    buf_puts(out, ",\"buckets\":[");
    for (int i = 0; i < count; i++)
        buf_printf(out, "%s{\"from\":%.12g,\"to\":%.12g,\"count\":%zu}", i ? "," : "", buckets[i].from, buckets[i].to, buckets[i].count);
    buf_puts(out, "]}\n");
}

static bool is_numeric(const struct show *show)
{
    enum field_type type = field_types[show->field];
    return type == FIELD_INT || type == FIELD_NUM || type == FIELD_MS;
}

static void collect(struct scan *scan, const struct show *show, struct spread *s, size_t *absent)
{
    struct cell cell;
    for (struct decision *d; (d = scan_next(scan)); decision_free(d))
        for (int i = 0; column_next(show, d, scan->query, &i, &cell);) {
            bool is_known = cell.is_number && isfinite(cell.number);
            *absent += !is_known;
            if (is_known)
                spread_add(s, cell.number);
        }
    spread_sort(s);
}

static void print(const struct options *o, const struct spread *s, const char *name, size_t absent)
{
    struct terminal terminal = terminal_look();
    const struct text_style style = {terminal.has_colour, terminal.width};
    struct bucket buckets[SPREAD_BUCKETS];
    struct buf out = BUF(PAGE_MAX);
    struct text t = {&out, &style, false, 0};
    int count = spread_buckets(s, buckets);
    if (o->json)
        put_json(&out, s, buckets, count, name, absent);
    else if (s->count > 0)
        put_page(&t, s, buckets, count, name, absent);
    else
        buf_printf(&out, "%s  no value in the decisions that were asked for (%zu without)\n", name, absent);
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
}

int cmd_hist(struct options *o)
{
    struct err err;
    struct scan scan;
    struct spread s = {0};
    char name[64];
    size_t absent = 0;
    const struct show *show = column_find(o->args[0], &err);
    if (show && !is_numeric(show))
        err_set(&err, ERR_BAD_REQUEST, "%s is no number; `wye top --by %s` counts its values", o->args[0], o->args[0]);
    if (show == NULL || !is_numeric(show))
        return complain(o, EXIT_USAGE, "%s", err.message);
    int status = scan_open(&scan, o);
    if (status != EXIT_OK)
        return status;
    scan.by_record = true;
    if (column_is_late(show))
        reader_join(scan.reader);
    collect(&scan, show, &s, &absent);
    print(o, &s, field_query_name(show, name, sizeof name), absent);
    spread_clear(&s);
    scan_close(&scan);
    return EXIT_OK;
}
