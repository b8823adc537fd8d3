#include "trace/tally.h"

#include <math.h>
#include <stdlib.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "trace/spread.h"

enum { SLOTS = 1 << 18, ABSENT = 0, OTHERS = 1, TEXT_LIMIT = 512 * 1024 * 1024 };

struct entry {
    uint64_t began_us;
    double usd;
    double ms;
    uint32_t value : 31, is_error : 1;
};

struct tally {
    const struct show *show;
    struct arena arena;
    uint32_t *slots; /* of the table: number of a value + 1 */
    struct str *values;
    uint32_t value_count;
    struct entry *entries;
    size_t count, room;
    struct tally_row *rows;
};

struct tally *tally_new(const struct show *show)
{
    struct tally *t = xcalloc(1, sizeof *t);
    t->show = show;
    t->arena = ARENA(TEXT_LIMIT);
    t->slots = xcalloc(SLOTS, sizeof *t->slots);
    t->values = xcalloc(TALLY_VALUES + 2, sizeof *t->values);
    t->values[OTHERS] = str_of("(others)");
    t->value_count = 2;
    return t;
}

void tally_free(struct tally *t)
{
    arena_clear(&t->arena);
    free(t->slots);
    free(t->values);
    free(t->entries);
    free(t->rows);
    free(t);
}

static uint32_t value_number(struct tally *t, struct str text)
{
    if (text.p == NULL)
        return ABSENT;
    uint32_t at = (uint32_t)XXH3_64bits(text.p, text.len) % SLOTS;
    for (; t->slots[at]; at = (at + 1) % SLOTS)
        if (str_same(t->values[t->slots[at] - 1], text))
            return t->slots[at] - 1;
    struct str kept = t->value_count < TALLY_VALUES + 2 ? arena_str(&t->arena, text) : str_n(NULL, 0);
    if (kept.p == NULL)
        return OTHERS;
    t->values[t->value_count] = kept;
    t->slots[at] = ++t->value_count;
    return t->value_count - 1;
}

void tally_add(struct tally *t, const struct decision *d, const struct query *query)
{
    struct cell cell;
    for (int i = 0; column_next(t->show, d, query, &i, &cell);) {
        if (t->count == t->room) {
            t->room = t->room ? t->room * 2 : 1024;
            t->entries = xrealloc(t->entries, t->room * sizeof *t->entries);
        }
        struct entry e = {d->began_us, cell.usd, cell.ms, value_number(t, cell.text), cell.is_error};
        t->entries[t->count++] = e;
    }
}

void tally_forget(struct tally *t, uint64_t before_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->entries[i].began_us >= before_us)
            t->entries[kept++] = t->entries[i];
    t->count = kept;
}

size_t tally_total(const struct tally *t, uint64_t *first_us, uint64_t *last_us)
{
    *first_us = *last_us = t->count ? t->entries[0].began_us : 0;
    for (size_t i = 0; i < t->count; i++) {
        uint64_t at = t->entries[i].began_us;
        *first_us = at < *first_us ? at : *first_us;
        *last_us = at > *last_us ? at : *last_us;
    }
    return t->count;
}

static int by_value(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value) : (x->ms > y->ms) - (x->ms < y->ms);
}

static int by_count(const void *a, const void *b)
{
    const struct tally_row *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

/* The entries of one value, by ms. */
static struct tally_row sum(const struct entry *e, size_t count, struct str value)
{
    struct tally_row row = {.value = value, .count = count};
    struct spread ms = {0};
    for (size_t i = 0; i < count; i++) {
        row.errors += e[i].is_error;
        row.usd += e[i].usd;
        if (e[i].ms >= 0)
            spread_add(&ms, e[i].ms);
    }
    row.p50_ms = ms.count ? spread_quantile(&ms, 0.5) : NAN;
    row.p95_ms = ms.count ? spread_quantile(&ms, 0.95) : NAN;
    spread_clear(&ms);
    return row;
}

int tally_rows(struct tally *t, const struct tally_row **rows)
{
    int count = 0;
    t->rows = xrealloc(t->rows, (t->value_count + 1) * sizeof *t->rows);
    if (t->count > 1)
        qsort(t->entries, t->count, sizeof *t->entries, by_value);
    for (size_t from = 0, to; from < t->count; from = to) {
        for (to = from + 1; to < t->count && t->entries[to].value == t->entries[from].value;)
            to++;
        t->rows[count++] = sum(&t->entries[from], to - from, t->values[t->entries[from].value]);
    }
    if (count > 1)
        qsort(t->rows, (size_t)count, sizeof *t->rows, by_count);
    *rows = t->rows;
    return count;
}
