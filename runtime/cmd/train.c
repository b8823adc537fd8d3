/* wye train DATA -o MODEL: labelled texts → a classifier. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "classify/similar.h"
#include "classify/training.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/table.h"
#include "cmd/train_pairs.h"

enum { CONFUSIONS = 10, TABLE_MOST = 4 << 20 };

static void warn(const char *words)
{
    fprintf(stderr, "wye train: %s\n", words);
}

static void progress(int done, int total)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, done < total ? "\rtraining: step %d of %d " : "\r\033[K", done + 1, total);
}

struct tally {
    int truth, said, both;
};

static struct tally tally(const struct training *t, int label)
{
    struct tally n = {0};
    for (int c = 0; c < t->classes; c++) {
        n.truth += t->confusion[label * t->classes + c];
        n.said += t->confusion[c * t->classes + label];
    }
    n.both = t->confusion[label * t->classes + label];
    return n;
}

static double share(int part, int whole)
{
    return whole ? (double)part / whole : 0;
}

static void print_labels(const struct training *t, const struct samples *s)
{
    struct table table = TABLE(TABLE_MOST);
    struct arena arena = ARENA(TABLE_MOST);
    table_row(&table, 4, (struct str[]){str_of("label"), str_of("rows"), str_of("precision"), str_of("recall")});
    for (int c = 0; c < t->classes; c++) {
        struct tally n = tally(t, c);
        table_row(&table, 4,
                  (struct str[]){str_of(s->labels[c]), str_of(arena_printf(&arena, "%d", n.truth)),
                                 str_of(arena_printf(&arena, "%.3f", share(n.both, n.said))),
                                 str_of(arena_printf(&arena, "%.3f", share(n.both, n.truth)))});
    }
    table_print(&table, stdout);
    arena_clear(&arena);
}

/* A source is apart when nothing of it was trained on by the fits that read it. */
static void print_sources(const struct training *t, const struct samples *s)
{
    struct table table = TABLE(TABLE_MOST);
    struct arena arena = ARENA(TABLE_MOST);
    table_row(&table, 4, (struct str[]){str_of("source"), str_of("rows"), str_of("right"), str_of("of it, trained on")});
    for (int k = 0; k < s->source_count; k++) {
        const struct source_figures *f = &t->sources[k];
        table_row(&table, 4,
                  (struct str[]){str_of(*s->sources[k] ? s->sources[k] : "(none)"), str_of(arena_printf(&arena, "%d", f->rows)),
                                 str_of(arena_printf(&arena, "%.3f", share(f->right, f->rows))), str_of(f->is_apart ? "nothing" : "other rows")});
    }
    printf("\n");
    table_print(&table, stdout);
    arena_clear(&arena);
}

/* The most frequent mistakes, each printed once. */
static void print_confusions(const struct training *t, const struct samples *s)
{
    int most = 0, printed = 0;
    for (int i = 0; i < t->classes * t->classes; i++)
        if (i / t->classes != i % t->classes && t->confusion[i] > most)
            most = t->confusion[i];
    if (most)
        printf("\nmost often taken for another:\n");
    for (; most > 0 && printed < CONFUSIONS; most--)
        for (int i = 0; i < t->classes * t->classes && printed < CONFUSIONS; i++)
            if (t->confusion[i] == most && i / t->classes != i % t->classes)
                printed += printf("  %4d  %s as %s\n", most, s->labels[i / t->classes], s->labels[i % t->classes]) > 0;
}

static void print_json(const struct training *t, const struct samples *s, double seconds)
{
    struct buf out = BUF(TABLE_MOST);
    buf_printf(&out, "{\"accuracy\":%.6f,\"ece\":%.6f,\"classes\":%d,\"rows\":%d,\"bytes\":%zu,\"by_subjects\":%s,\"sources\":[", t->accuracy, t->ece,
               t->classes, t->rows, t->bytes, t->by_subjects ? "true" : "false");
    for (int k = 0; k < s->source_count; k++) {
        const struct source_figures *f = &t->sources[k];
        buf_puts(&out, k ? ",{\"source\":" : "{\"source\":");
        json_quote(&out, str_of(s->sources[k]));
        buf_printf(&out, ",\"rows\":%d,\"accuracy\":%.6f,\"held_out\":%s}", f->rows, share(f->right, f->rows), f->is_apart ? "true" : "false");
    }
    printf("%s],\"seconds\":%.3f}\n", out.p, seconds);
    buf_clear(&out);
}

static void print_text(const struct training *t, const struct samples *s, const char *path, double seconds)
{
    print_labels(t, s);
    if (s->source_count)
        print_sources(t, s);
    print_confusions(t, s);
    printf("\naccuracy %.4f, calibration error %.4f (cross-validated%s)\n%s: %d labels from %d rows%s, %.1f KiB, %.1f s\n", t->accuracy, t->ece,
           s->source_count ? ", whole sources held out" : "", path, t->classes, t->rows, t->by_subjects ? ", told by their subjects too" : "",
           (double)t->bytes / 1024, seconds);
}

static int make_index(const struct options *o)
{
    struct samples s;
    struct err err;
    double accuracy;
    size_t bytes;
    int result = samples_read(&s, o->args[0], o->source, warn, &err);
    if (result == 0)
        result = similar_train(&s, o->embeddings, o->out, &accuracy, &bytes, &err);
    if (result == 0 && o->json)
        printf("{\"accuracy\":%.6f,\"classes\":%d,\"rows\":%d,\"bytes\":%zu}\n", accuracy, s.label_count, s.count, bytes);
    else if (result == 0)
        printf("%s: %d examples of %d labels, compared by %s, %.1f KiB; accuracy %.4f (each looked up without itself)\n", o->out, s.count, s.label_count,
               o->embeddings ? "what they are made of and mean" : "what they are made of (--embeddings FILE adds what they mean)",
               (double)bytes / 1024, accuracy);
    samples_clear(&s);
    return result < 0 ? complain_of(o, &err) : EXIT_OK;
}

/* The option that this kind of training has no use for, or NULL. */
static const char *stray_option(const struct options *o)
{
    const struct {
        const char *name;
        bool is_given, has_use;
    } options[] = {{"--pairs", o->pairs, !o->similar},
                   {"--share", o->share != NULL, o->pairs},
                   {"--embeddings", o->embeddings != NULL, !o->pairs},
                   {"--source", o->source != NULL, !o->pairs && !o->similar}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].is_given && !options[i].has_use)
            return options[i].name;
    return NULL;
}

int cmd_train(struct options *o)
{
    struct samples s;
    struct training t = {0};
    struct err err;
    uint64_t start = clock_ms();
    if (o->out == NULL)
        return complain(o, EXIT_USAGE, "say where the model goes: `wye train %s -o MODEL`", o->args[0]);
    const char *stray = stray_option(o);
    if (stray)
        return complain(o, EXIT_USAGE, "%s has no use %s", stray, o->similar ? "with --similar" : o->pairs ? "with --pairs" : "without --pairs");
    if (o->pairs)
        return train_pairs(o);
    if (o->similar)
        return make_index(o);
    int result = samples_read(&s, o->args[0], o->source, warn, &err);
    if (result == 0)
        result = training_run(&s, o->embeddings, o->out, progress, &t, &err);
    double seconds = (double)(clock_ms() - start) / 1000;
    if (result == 0 && o->json)
        print_json(&t, &s, seconds);
    else if (result == 0)
        print_text(&t, &s, o->out, seconds);
    training_clear(&t);
    samples_clear(&s);
    return result < 0 ? complain_of(o, &err) : EXIT_OK;
}
