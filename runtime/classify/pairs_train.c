#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/jsonl.h"
#include "classify/pairs.h"
#include "classify/threshold.h"

enum { FOLDS = 4, FITS = PAIRS_SCORES, BY_SHAPE = 2, TOTAL = (FOLDS + 1) * FITS, RESAMPLES = 400, PARTS = 7, META_MOST = 1 << 20, TEXTS_MOST = 1 << 30 };

static const int GRAMS_MOST = 1 << 20;

/* How much the shape weighs beside the words; there are few of its features, and many words. */
static const float TRUST = 0.2F;

/* ---- data ---- */

static int read_pair(struct pairs *p, const struct jsonl *j, struct str row, struct err *err)
{
    struct str text = json_get(row, "text");
    struct pair pair = {0};
    if (json_type(text) != JSON_STRING)
        return jsonl_fail(j, err, "no \"text\": each line is {\"text\": \"...\", \"weak\": 0 or 1, \"strong\": 0 or 1}");
    if (jsonl_bit(j, row, "weak", &pair.weak, err) < 0 || jsonl_bit(j, row, "strong", &pair.strong, err) < 0)
        return -1;
    pair.text = json_text(text, &p->arena);
    if (pair.text.p == NULL || p->count == PAIRS_MOST)
        return jsonl_fail(j, err, "too much data: %d rows and %d MiB of text at most", PAIRS_MOST, TEXTS_MOST >> 20);
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 1024;
        p->at = xrealloc(p->at, (size_t)p->room * sizeof *p->at);
    }
    p->at[p->count++] = pair;
    return 0;
}

static int check(const struct pairs *p, const char *path, struct err *err)
{
    int weak = 0, strong = 0;
    for (int i = 0; i < p->count; i++) {
        weak += p->at[i].weak;
        strong += p->at[i].strong;
    }
    if (p->count < PAIRS_LEAST)
        return err_set(err, ERR_MALFORMED, "%s: %d row%s; pairs need at least %d", path, p->count, p->count == 1 ? "" : "s", PAIRS_LEAST);
    bool is_weak = weak == 0 || weak == p->count;
    if (is_weak || strong == 0 || strong == p->count)
        return err_set(err, ERR_MALFORMED, "%s: '%s' is %d in every row: there is nothing to tell apart", path, is_weak ? "weak" : "strong",
                       (is_weak ? weak : strong) != 0);
    return 0;
}

int pairs_read(struct pairs *p, const char *path, struct err *err)
{
    struct str row;
    int got = -1;
    *p = (struct pairs){.arena = ARENA(TEXTS_MOST)};
    struct jsonl *j = jsonl_open(path, err);
    while (j && (got = jsonl_next(j, &row, err)) > 0)
        if ((got = read_pair(p, j, row, err)) < 0)
            break;
    jsonl_close(j);
    return got < 0 ? -1 : check(p, path, err);
}

void pairs_clear(struct pairs *p)
{
    free(p->at);
    arena_clear(&p->arena);
}

/* ---- training ---- */

struct trainer {
    const struct pairs *pairs;
    struct vocab_parts parts;
    struct vocab vocab;
    struct fit_row *rows, *shapes; /* words and TRUST of the shape; the shape */
    bool *skip;
    int features;
    struct scored eases; /* score: of each row by a fit that had not seen it; correct: the weak model suffices */
    double *p;
    struct calibration c;
    void (*progress)(int done, int total);
    int done;
};

static void make_row(struct trainer *t, int i, struct str text)
{
    struct vector x = vocab_vector(&t->vocab, text);
    struct feature *at = xcalloc((size_t)x.count + PAIRS_SHAPE, sizeof *at), *shape = xcalloc(PAIRS_SHAPE, sizeof *shape);
    memcpy(at, x.at, (size_t)x.count * sizeof *at);
    pairs_shape(text, t->vocab.count, shape);
    for (int k = 0; k < PAIRS_SHAPE; k++)
        at[x.count + k] = (struct feature){shape[k].index, TRUST * shape[k].value};
    t->rows[i] = (struct fit_row){at, x.count + PAIRS_SHAPE, 0};
    t->shapes[i] = (struct fit_row){shape, PAIRS_SHAPE, 0};
}

static void make_rows(struct trainer *t)
{
    size_t count = (size_t)t->pairs->count;
    struct str *texts = xcalloc(count, sizeof *texts);
    for (size_t i = 0; i < count; i++)
        texts[i] = t->pairs->at[i].text;
    vocab_build(&t->parts, texts, (int)count, GRAMS_MOST);
    t->vocab = vocab_of(&t->parts);
    t->features = t->vocab.count + PAIRS_SHAPE;
    t->rows = xcalloc(count, sizeof *t->rows);
    t->shapes = xcalloc(count, sizeof *t->shapes);
    for (size_t i = 0; i < count; i++)
        make_row(t, (int)i, texts[i]);
    free(texts);
    t->skip = xcalloc(count, sizeof *t->skip);
}

/* features × FITS: what speaks for the weak model's being right and for the strong one's, and both by shape alone. */
static double *fit_all(struct trainer *t)
{
    double *all = xcalloc((size_t)t->features * FITS, sizeof *all);
    for (int column = 0; column < FITS; column++) {
        struct fit_row *rows = column < BY_SHAPE ? t->rows : t->shapes;
        t->progress(t->done++, TOTAL);
        for (int i = 0; i < t->pairs->count; i++)
            rows[i].label = column % 2 == 0 ? t->pairs->at[i].weak : t->pairs->at[i].strong;
        double *one = fit_logistic(rows, t->skip, t->pairs->count, t->features);
        for (int f = 0; f < t->features; f++)
            all[FITS * f + column] = one[f] * (column < BY_SHAPE && f >= t->vocab.count ? TRUST : 1);
        free(one);
    }
    return all;
}

static void add_up(const struct feature *x, int count, const double *weights, float scores[FITS])
{
    for (int k = 0; k < count; k++)
        for (int column = 0; column < FITS; column++)
            scores[column] += (float)(x[k].value * weights[FITS * x[k].index + column]);
}

static double ease_of(const struct trainer *t, int i, const double *weights)
{
    float scores[FITS] = {0};
    add_up(t->rows[i].at, t->rows[i].count - PAIRS_SHAPE, weights, scores);
    add_up(t->shapes[i].at, PAIRS_SHAPE, weights, scores);
    return pairs_ease(scores);
}

/* Of each row by a fit that has not seen it. */
static void hold_out(struct trainer *t)
{
    for (int i = 0; i < t->pairs->count; i++)
        scored_add(&t->eases, (struct answer){0, t->pairs->at[i].weak || !t->pairs->at[i].strong, true});
    for (int fold = 0; fold < FOLDS; fold++) {
        for (int i = 0; i < t->pairs->count; i++)
            t->skip[i] = scored_fold(i, FOLDS) == fold;
        double *weights = fit_all(t);
        for (int i = 0; i < t->pairs->count; i++)
            if (t->skip[i])
                t->eases.items[i].score = ease_of(t, i, weights);
        free(weights);
    }
}

static void draw(const struct trainer *t, struct frontier *f)
{
    struct outcome *outcomes = xcalloc((size_t)t->pairs->count, sizeof *outcomes);
    for (int i = 0; i < t->pairs->count; i++)
        outcomes[i] = (struct outcome){t->eases.items[i].score, t->pairs->at[i].weak, t->pairs->at[i].strong};
    frontier_measure(f, outcomes, t->pairs->count, RESAMPLES, 1);
    free(outcomes);
}

static int measure(struct trainer *t, double share, struct pairs_report *report, struct err *err)
{
    struct operating at;
    draw(t, &report->frontier);
    t->p = xcalloc((size_t)t->pairs->count, sizeof *t->p);
    calibration_fit(&t->c, &t->eases, t->p);
    snprintf(t->c.score, sizeof t->c.score, "ease");
    report->ece = t->c.ece;
    report->suffices = t->c.accuracy;
    if (threshold_find(&t->c, &t->eases, TARGET_SHARE, share, NULL, &at, err) < 0)
        return -1;
    t->c.has_threshold = true;
    t->c.threshold = report->threshold = at.threshold;
    return 0;
}

/* ---- the file ---- */

static void put_baseline(struct buf *out, const struct trainer *t)
{
    enum { BINS = 20 };
    int bins[BINS] = {0}, strong = 0;
    for (int i = 0; i < t->pairs->count; i++) {
        double p = calibration_p(&t->c, t->eases.items[i].score);
        bins[(int)fmin(BINS - 1, p * BINS)]++;
        strong += p < t->c.threshold;
    }
    buf_printf(out, ",\"baseline\":{\"rows\":%d,\"labels\":[%d,%d],\"p\":[", t->pairs->count, t->pairs->count - strong, strong);
    for (int i = 0; i < BINS; i++)
        buf_printf(out, "%s%d", i ? "," : "", bins[i]);
    buf_puts(out, "]}");
}

static int write_model(struct trainer *t, const char *path, struct pairs_report *report, struct err *err)
{
    struct linear_parts w;
    struct buf meta = BUF(META_MOST);
    memset(t->skip, 0, (size_t)t->pairs->count * sizeof *t->skip);
    double *weights = fit_all(t);
    linear_pack(&w, weights, t->features, FITS);
    buf_printf(&meta, "{\"kind\":\"pairs\",\"labels\":[\"weak\",\"strong\"],\"rows\":%d,\"calibration\":", t->pairs->count);
    calibration_write(&t->c, &meta);
    put_baseline(&meta, t);
    buf_puts(&meta, "}");
    const struct modelfile_part parts[PARTS] = {{"meta", buf_str(&meta)},
                                                {"starts", buf_str(&t->parts.starts)},
                                                {"keys", buf_str(&t->parts.keys)},
                                                {"rarity", buf_str(&t->parts.rarity)},
                                                {"rows", buf_str(&w.rows)},
                                                {"scale", buf_str(&w.scale)},
                                                {"cells", buf_str(&w.cells)}};
    int result = modelfile_write(path, parts, PARTS, &report->bytes, err);
    linear_clear(&w);
    buf_clear(&meta);
    free(weights);
    return result;
}

static void clear(struct trainer *t)
{
    for (int i = 0; i < t->pairs->count; i++) {
        free(t->rows[i].at);
        free(t->shapes[i].at);
    }
    free(t->rows);
    free(t->shapes);
    free(t->skip);
    free(t->p);
    scored_clear(&t->eases);
    vocab_clear(&t->parts);
}

int pairs_train(const struct pairs *p, const char *path, double share, void (*progress)(int done, int total), struct pairs_report *report,
                struct err *err)
{
    struct trainer t = {.pairs = p, .progress = progress};
    if (fit_open(err) < 0)
        return -1;
    make_rows(&t);
    hold_out(&t);
    int result = measure(&t, share, report, err);
    if (result == 0)
        result = write_model(&t, path, report, err);
    progress(TOTAL, TOTAL);
    clear(&t);
    return result;
}
