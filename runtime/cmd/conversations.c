#include "cmd/conversations.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/json.h"
#include "trace/export.h"
#include "trace/line.h"
#include "trace/reader.h"

enum { BUCKETS = 4096, LINE_MAX_BYTES = 4 * DECISION_MAX };

struct talk {
    struct talk *next;       /* in its bucket */
    uint64_t newest;         /* count of decisions when its newest one came */
    bool has_match, is_shown;
    struct decision *first, *last; /* second pass: what is to be printed */
    char name[];
};

struct table {
    struct talk *buckets[BUCKETS];
    struct talk **shown; /* oldest first */
    int count;
};

static struct str name_of(const struct decision *d)
{
    struct str name = record_text(&d->records[0], F_CONVERSATION);
    return name.p && name.len > 0 ? name : record_text(&d->records[0], F_ID);
}

static struct talk *talk_of(struct table *table, struct str name)
{
    struct talk **at = &table->buckets[crc32c(0, name.p, name.len) % BUCKETS];
    while (*at && !str_eq(name, (*at)->name))
        at = &(*at)->next;
    if (*at == NULL) {
        *at = xcalloc(1, sizeof **at + name.len + 1);
        memcpy((*at)->name, name.p, name.len);
    }
    return *at;
}

static int by_age(const void *a, const void *b)
{
    const struct talk *x = *(struct talk *const *)a, *y = *(struct talk *const *)b;
    return x->newest < y->newest ? -1 : x->newest > y->newest;
}

/* First pass: which conversations match, and how new they are. */
static int find(struct table *table, const struct query *query, const char *dir, struct err *err)
{
    struct reader *r = reader_open(dir, err);
    if (r == NULL)
        return -1;
    uint64_t order = 0;
    for (struct decision *d; (d = reader_next(r)); decision_free(d)) {
        struct talk *talk = talk_of(table, name_of(d));
        talk->newest = ++order;
        if (!talk->has_match && (query == NULL || query_match(query, d, NULL))) {
            talk->has_match = true;
            table->shown = xrealloc(table->shown, sizeof(struct talk *) * (size_t)(table->count + 1));
            table->shown[table->count++] = talk;
        }
    }
    reader_close(r);
    if (table->count > 0)
        qsort(table->shown, (size_t)table->count, sizeof(struct talk *), by_age);
    return 0;
}

/* Second pass: the decisions of those that will be shown. */
static int gather(struct table *table, const char *dir, struct err *err)
{
    struct reader *r = reader_open(dir, err);
    if (r == NULL)
        return -1;
    for (struct decision *d; (d = reader_next(r));) {
        struct talk *talk = talk_of(table, name_of(d));
        if (!talk->is_shown) {
            decision_free(d);
            continue;
        }
        if (talk->last)
            talk->last->next = d;
        else
            talk->first = d;
        talk->last = d;
    }
    reader_close(r);
    return 0;
}

static void put_json(struct buf *out, const struct talk *talk)
{
    buf_puts(out, "{\"conversation\":");
    struct str name = record_text(&talk->first->records[0], F_CONVERSATION);
    if (!name.p || json_quote(out, name) < 0)
        buf_puts(out, "null");
    buf_puts(out, ",\"decisions\":[");
    for (const struct decision *d = talk->first; d; d = d->next) {
        if (d != talk->first)
            buf_putc(out, ',');
        export_decision(out, d);
    }
    buf_puts(out, "]}\n");
}

static void put_lines(struct buf *out, const struct talk *talk, const struct text_style *style)
{
    struct text t = {out, style, false, 0};
    int count = 0;
    double usd = 0, n;
    for (const struct decision *d = talk->first; d; d = d->next, count++)
        usd += record_number(&d->records[0], F_USD, &n) ? n : 0;
    text_colour(&t, TEXT_BOLD);
    text_put(&t, str_of(talk->name));
    text_colour(&t, TEXT_PLAIN);
    text_printf(&t, ": %d decision%s, $%.6f", count, count == 1 ? "" : "s", usd);
    text_end(&t);
    for (const struct decision *d = talk->first; d; d = d->next)
        line_decision(out, d, style);
}

static void free_table(struct table *table)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct talk *talk = table->buckets[i], *next; talk; talk = next) {
            next = talk->next;
            for (struct decision *d = talk->first, *later; d; d = later) {
                later = d->next;
                decision_free(d);
            }
            free(talk);
        }
    free(table->shown);
    free(table);
}

int conversations_list(const struct options *o, const struct query *query, const char *dir,
                       const struct text_style *style, struct err *err)
{
    struct table *table = xcalloc(1, sizeof *table);
    int result = find(table, query, dir, err);
    long count = o->count ? o->count : o->json ? table->count : 20;
    int from = table->count > count ? table->count - (int)count : 0;
    for (int i = from; i < table->count; i++)
        table->shown[i]->is_shown = true;
    if (result == 0)
        result = gather(table, dir, err);
    struct buf out = BUF(LINE_MAX_BYTES);
    for (int i = from; result == 0 && i < table->count && !ferror(stdout); i++) {
        if (table->shown[i]->first == NULL)
            continue; /* deleted between the passes */
        if (o->json)
            put_json(&out, table->shown[i]);
        else
            put_lines(&out, table->shown[i], style);
        fwrite(out.p, 1, out.len, stdout);
        buf_reset(&out);
    }
    buf_clear(&out);
    free_table(table);
    return result;
}
