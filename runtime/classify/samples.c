#include "classify/samples.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/jsonl.h"

enum { MOST_WARNINGS = 5, LONGEST_LABEL = 200, ROWS_OF_SOURCE = 8, ROWS_OF_LABEL = 8 };

struct reader {
    const char *path, *source;
    void (*warn)(const char *words);
};

/* Public data has such rows; they teach nothing, and are no reason to refuse the others. */
static bool is_empty(const struct jsonl *in, const struct reader *r, struct str text, const char *name)
{
    char words[600];
    if (strspn(text.p, " \t\r\n") != text.len)
        return false;
    snprintf(words, sizeof words, "%s:%d: column '%s' is empty; the row is left out", r->path, jsonl_line(in), name);
    r->warn(words);
    return true;
}

/* The place of a name in a list, at its end when it is new; -1 when that is full. */
static int place_of(char ***names, int *count, int most, struct str name)
{
    for (int i = *count - 1; i >= 0; i--)
        if (str_eq(name, (*names)[i]))
            return i;
    if (*count == most)
        return -1;
    *names = xrealloc(*names, (size_t)(*count + 1) * sizeof **names);
    (*names)[*count] = xstrndup(name.p, name.len);
    return (*count)++;
}

static int read_source(struct samples *s, const struct jsonl *in, struct str row, const char *column, int *source, struct err *err)
{
    struct str name = str_of("");
    bool is_there = json_type(json_get(row, column ? column : "source")) == JSON_STRING;
    if ((column || is_there) && jsonl_text(in, row, column ? column : "source", &s->arena, &name, err) < 0)
        return -1;
    *source = place_of(&s->sources, &s->source_count, SAMPLES_SOURCES, name);
    return 0;
}

static int add(struct samples *s, const struct jsonl *in, struct str row, const struct reader *r, struct err *err)
{
    struct str text, label;
    int source;
    if (jsonl_text(in, row, "text", &s->arena, &text, err) < 0 || jsonl_text(in, row, "label", &s->arena, &label, err) < 0)
        return -1;
    if (is_empty(in, r, text, "text") || is_empty(in, r, label, "label"))
        return 0;
    if (label.len > LONGEST_LABEL)
        return jsonl_fail(in, err, "the label is over %d bytes", LONGEST_LABEL);
    int column = place_of(&s->labels, &s->label_count, SAMPLES_LABELS, label);
    if (column < 0)
        return jsonl_fail(in, err, "more than %d labels", SAMPLES_LABELS);
    if (read_source(s, in, row, r->source, &source, err) < 0)
        return -1;
    if (s->count == SAMPLES_MOST)
        return jsonl_fail(in, err, "more than %d rows", SAMPLES_MOST);
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 1024;
        s->at = xrealloc(s->at, (size_t)s->room * sizeof *s->at);
    }
    s->at[s->count++] = (struct sample){text, column, jsonl_line(in), source};
    return 0;
}

static void forget_sources(struct samples *s)
{
    for (int i = 0; i < s->source_count; i++)
        free(s->sources[i]);
    free(s->sources);
    s->sources = NULL;
    s->source_count = 0;
}

static int by_text(const void *a, const void *b)
{
    const struct sample *x = *(const struct sample *const *)a, *y = *(const struct sample *const *)b;
    int order = strcmp(x->text.p, y->text.p);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static void tell_of_conflicts(const struct samples *s, const char *path, void (*warn)(const char *words))
{
    const struct sample **sorted = xcalloc((size_t)s->count + 1, sizeof *sorted);
    int found = 0;
    char words[600];
    for (int i = 0; i < s->count; i++)
        sorted[i] = &s->at[i];
    qsort(sorted, (size_t)s->count, sizeof *sorted, by_text);
    for (int i = 1; i < s->count; i++) {
        const struct sample *a = sorted[i - 1], *b = sorted[i];
        if (a->label == b->label || strcmp(a->text.p, b->text.p) != 0 || found++ >= MOST_WARNINGS)
            continue;
        snprintf(words, sizeof words, "%s:%d: the text of line %d again, here as \"%s\", there as \"%s\"", path, b->line, a->line,
                 s->labels[b->label], s->labels[a->label]);
        warn(words);
    }
    if (found > MOST_WARNINGS) {
        snprintf(words, sizeof words, "%s: and %d more texts with two labels", path, found - MOST_WARNINGS);
        warn(words);
    }
    free(sorted);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* So that the model does not depend on the order in which labels came. */
static void sort_labels(struct samples *s)
{
    char **as_found = xcalloc((size_t)s->label_count + 1, sizeof *as_found);
    for (int c = 0; c < s->label_count; c++)
        as_found[c] = s->labels[c];
    if (s->label_count)
        qsort(s->labels, (size_t)s->label_count, sizeof *s->labels, by_name);
    for (int i = 0; i < s->count; i++)
        for (int c = 0; c < s->label_count; c++)
            if (s->labels[c] == as_found[s->at[i].label]) {
                s->at[i].label = c;
                break;
            }
    for (int c = 0; c < s->label_count; c++)
        if (strcmp(s->labels[c], "oos") == 0)
            s->oos = c;
    free(as_found);
}

static int check_whole(const struct samples *s, const char *path, struct err *err)
{
    int least = s->oos >= 0 ? 3 : 2;
    if (s->count == 0)
        return err_set(err, ERR_MALFORMED, "%s:1: no row to train on: write one {\"text\": \"...\", \"label\": \"...\"} a line", path);
    if (s->label_count < least)
        return err_set(err, ERR_MALFORMED, "%s:%d: every row up to this last one has the label \"%s\"%s; a classifier needs two", path,
                       s->at[s->count - 1].line, s->labels[s->oos == 0 && s->label_count > 1], s->oos >= 0 ? " or \"oos\"" : "");
    return 0;
}

/* Cross-validation of labels with so few texts says little, and known of what is no label less. */
static void tell_of_few(const struct samples *s, const struct reader *r)
{
    int rows[SAMPLES_LABELS] = {0}, few = 0, last = 0;
    char words[600];
    for (int i = 0; i < s->count; i++)
        rows[s->at[i].label]++;
    for (int c = 0; c < s->label_count; c++)
        if (rows[c] < ROWS_OF_LABEL) {
            few++;
            last = c;
        }
    if (few == 0)
        return;
    snprintf(words, sizeof words, "%s: label \"%s\" has %d row%s%s; from %d on, and better 30, accuracy and p can be trusted", r->path, s->labels[last], rows[last],
             rows[last] == 1 ? "" : "s", few > 1 ? ", and others are as rare" : "", ROWS_OF_LABEL);
    r->warn(words);
}

/* One source is none, and so are nearly as many as there are rows. */
static void look_at_sources(struct samples *s, const struct reader *r)
{
    char words[600];
    bool are_many = s->source_count == SAMPLES_SOURCES || s->source_count * ROWS_OF_SOURCE > s->count;
    if (s->source_count > 1 && are_many) {
        snprintf(words, sizeof words, "%s: column '%s' has %d%s values in %d rows: too many to hold each out, so it is not looked at", r->path,
                 r->source ? r->source : "source", s->source_count, s->source_count == SAMPLES_SOURCES ? " or more" : "", s->count);
        r->warn(words);
    }
    if (s->source_count == 1 || are_many)
        forget_sources(s);
}

int samples_read(struct samples *s, const char *path, const char *source, void (*warn)(const char *words), struct err *err)
{
    const struct reader r = {path, source, warn};
    struct str row;
    int got = -1;
    *s = (struct samples){.oos = -1, .arena = ARENA(SAMPLES_BYTES)};
    struct jsonl *in = jsonl_open(path, err);
    while (in && (got = jsonl_next(in, &row, err)) > 0)
        if ((got = add(s, in, row, &r, err)) < 0)
            break;
    jsonl_close(in);
    if (got < 0)
        return -1;
    sort_labels(s);
    if (check_whole(s, path, err) < 0)
        return -1;
    look_at_sources(s, &r);
    tell_of_few(s, &r);
    tell_of_conflicts(s, path, warn);
    return 0;
}

void samples_clear(struct samples *s)
{
    forget_sources(s);
    for (int i = 0; i < s->label_count; i++)
        free(s->labels[i]);
    free(s->labels);
    free(s->at);
    arena_clear(&s->arena);
}
