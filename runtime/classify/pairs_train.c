#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/domain.h"
#include "classify/shares.h"
#include "classify/threshold.h"

enum {
    FOLDS = 4,
    FITS = PAIRS_SCORES,
    BY_MANNER = 2,
    TOTAL = (FOLDS + 1) * FITS,
    RESAMPLES = 400,
    PARTS = 11,
    META_MOST = 1 << 20
};

static const int GRAMS_MOST = 1 << 20;

/* How much the shape weighs beside the words; there are few of its features, and many words. */
static const float TRUST = 0.2F;

/* What the fits are to believe the rows, by words, manner and shape; and how much more where domains have taken chance out. */
static const double COSTS[] = {0.03, 0.01, 0.03}, SURER[] = {0.07, 0.01, 0};

/* How steep p is where nothing was learnt: enough for an order. */
static const double SLIGHT = 0.1;

/* How much the shape may count beside words and manner: what does best. */
static const double SHAPES[] = {0, 0.5, 1};

/* ---- training ---- */

struct held {
    float scores[FITS]; /* by fits that had not seen the row */
    bool framed;
};

struct trainer {
    const struct pairs *pairs;
    struct domains domains;
    struct vocab_parts parts;
    struct vocab vocab;
    struct manner_parts manner_parts;
    struct manner manner;
    struct fit_row *rows[3]; /* words and TRUST of the shape; manner; the part of it that is the shape */
    double *shares;
    bool *skip;
    int *folds; /* which one holds the row out */
    int features;
    struct held *held;
    struct pairs_gauge gauge;
    struct scored eases; /* score: of each row by fits that had not seen it; correct: the weak model suffices */
    double *p;
    void (*progress)(int done, int total);
    int done;
};

static struct feature *copy(const struct feature *x, int count, int room)
{
    struct feature *at = xcalloc((size_t)room, sizeof *at);
    memcpy(at, x, (size_t)count * sizeof *at);
    return at;
}

static void make_row(struct trainer *t, int i, struct str text)
{
    struct feature manner[MANNER_MOST];
    int count = manner_vector(&t->manner, text, t->vocab.count, manner, &t->held[i].framed);
    struct vector x = vocab_vector(&t->vocab, text);
    struct feature *words = copy(x.at, x.count, x.count + MANNER_SHAPE);
    for (int k = 0; k < MANNER_SHAPE; k++)
        words[x.count + k] = (struct feature){manner[k].index, TRUST * manner[k].value};
    t->rows[0][i] = (struct fit_row){words, x.count + MANNER_SHAPE, 0};
    t->rows[1][i] = (struct fit_row){copy(manner, count, count), count, 0};
    t->rows[2][i] = (struct fit_row){t->rows[1][i].at, MANNER_SHAPE, 0};
}

static void make_rows(struct trainer *t)
{
    size_t count = (size_t)t->pairs->count;
    struct str *texts = xcalloc(count, sizeof *texts);
    for (size_t i = 0; i < count; i++)
        texts[i] = t->pairs->at[i].text;
    vocab_build(&t->parts, texts, (int)count, GRAMS_MOST);
    t->vocab = vocab_of(&t->parts);
    manner_build(&t->manner_parts, &t->vocab, texts, (int)count);
    t->manner = manner_of(&t->manner_parts);
    t->features = t->vocab.count + manner_width(&t->manner);
    for (int kind = 0; kind < 3; kind++)
        t->rows[kind] = xcalloc(count, sizeof *t->rows[kind]);
    t->held = xcalloc(count, sizeof *t->held);
    for (size_t i = 0; i < count; i++)
        make_row(t, (int)i, texts[i]);
    free(texts);
    t->shares = xcalloc(count, sizeof *t->shares);
    t->skip = xcalloc(count, sizeof *t->skip);
}

static double *fit_one(struct trainer *t, int kind, bool strong)
{
    t->progress(t->done++, TOTAL);
    if (SURER[kind] > 0)
        domain_shares(&t->domains, t->pairs, strong, t->skip, t->shares);
    else
        for (int i = 0; i < t->pairs->count; i++)
            t->shares[i] = strong ? t->pairs->at[i].strong : t->pairs->at[i].weak;
    double cost = COSTS[kind] + t->domains.known * SURER[kind];
    return shares_fit(t->rows[kind], t->shares, t->skip, t->pairs->count, t->features, cost);
}

/* features × FITS. */
static double *fit_all(struct trainer *t)
{
    double *all = xcalloc((size_t)t->features * FITS, sizeof *all);
    for (int column = 0; column < FITS; column++) {
        double *one = fit_one(t, column / 2, column % 2);
        for (int f = 0; f < t->features; f++)
            all[FITS * f + column] = one[f] * (column < BY_MANNER && f >= t->vocab.count ? TRUST : 1);
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

struct dealt {
    int kind, mixed, row;
};

static int by_kind(const void *a, const void *b)
{
    const struct dealt *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind - y->kind;
    return x->mixed != y->mixed ? (x->mixed > y->mixed) - (x->mixed < y->mixed) : x->row - y->row;
}

/* As many rows of each outcome in each fold: where little is to be learnt, others' means would else say the contrary of one's own. */
static void deal(struct trainer *t)
{
    int count = t->pairs->count;
    struct dealt *rows = xcalloc((size_t)count, sizeof *rows);
    t->folds = xcalloc((size_t)count, sizeof *t->folds);
    for (int i = 0; i < count; i++)
        rows[i] = (struct dealt){2 * t->pairs->at[i].weak + t->pairs->at[i].strong, scored_fold(i, 1 << 30), i};
    qsort(rows, (size_t)count, sizeof *rows, by_kind);
    for (int i = 0; i < count; i++)
        t->folds[rows[i].row] = i % FOLDS;
    free(rows);
}

/* Scores of each row by fits that have not seen it. */
static void hold_out(struct trainer *t)
{
    deal(t);
    for (int fold = 0; fold < FOLDS; fold++) {
        for (int i = 0; i < t->pairs->count; i++)
            t->skip[i] = t->folds[i] == fold;
        double *weights = fit_all(t);
        for (int i = 0; i < t->pairs->count; i++) {
            if (!t->skip[i])
                continue;
            add_up(t->rows[0][i].at, t->rows[0][i].count - MANNER_SHAPE, weights, t->held[i].scores);
            add_up(t->rows[1][i].at, t->rows[1][i].count, weights, t->held[i].scores);
        }
        free(weights);
    }
}

static void draw(const struct trainer *t, struct frontier *f, int resamples)
{
    struct outcome *outcomes = xcalloc((size_t)t->pairs->count, sizeof *outcomes);
    for (int i = 0; i < t->pairs->count; i++)
        outcomes[i] = (struct outcome){pairs_ease(&t->gauge, t->held[i].scores, t->held[i].framed), t->pairs->at[i].weak, t->pairs->at[i].strong};
    frontier_measure(f, outcomes, t->pairs->count, resamples, 1);
    free(outcomes);
}

static void weigh_shape(struct trainer *t)
{
    double best = -INFINITY, at = SHAPES[0];
    struct frontier f;
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) {
        t->gauge.shape = SHAPES[i];
        draw(t, &f, 0);
        if (f.apgr.value > best) {
            best = f.apgr.value;
            at = SHAPES[i];
        }
    }
    t->gauge.shape = at;
}

/* Rows on which nothing was learnt may say by chance that questions get harder the easier they are. Then all are about as hard as the mean. */
static void level(struct trainer *t)
{
    struct calibration *c = &t->gauge.c;
    if (calibration_p(c, c->quantiles[0]) <= calibration_p(c, c->quantiles[CALIBRATION_BINS]))
        return;
    c->method = METHOD_PLATT;
    c->slope = SLIGHT;
    c->offset = log(c->accuracy / (1 - c->accuracy));
    for (int i = 0; i < t->eases.count; i++)
        t->p[i] = calibration_p(c, t->eases.items[i].score);
    c->ece = calibration_error(&t->eases, t->p);
}

static int measure(struct trainer *t, double share, struct pairs_report *report, struct err *err)
{
    struct operating at;
    struct calibration *c = &t->gauge.c;
    draw(t, &report->frontier, RESAMPLES);
    for (int i = 0; i < t->pairs->count; i++)
        scored_add(&t->eases, (struct answer){pairs_ease(&t->gauge, t->held[i].scores, t->held[i].framed),
                                              t->pairs->at[i].weak || !t->pairs->at[i].strong, true});
    t->p = xcalloc((size_t)t->pairs->count, sizeof *t->p);
    calibration_fit(c, &t->eases, t->p);
    level(t);
    snprintf(c->score, sizeof c->score, "ease");
    report->ece = c->ece;
    report->suffices = c->accuracy;
    if (threshold_find(c, &t->eases, TARGET_SHARE, share, NULL, &at, err) < 0)
        return -1;
    c->has_threshold = true;
    c->threshold = report->threshold = at.threshold;
    return 0;
}

/* ---- the file ---- */

static void put_baseline(struct buf *out, const struct trainer *t)
{
    enum { BINS = 20 };
    int bins[BINS] = {0}, strong = 0;
    for (int i = 0; i < t->pairs->count; i++) {
        double p = calibration_p(&t->gauge.c, t->eases.items[i].score);
        bins[(int)fmin(BINS - 1, p * BINS)]++;
        strong += p < t->gauge.c.threshold;
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
    buf_printf(&meta, "{\"kind\":\"pairs\",\"labels\":[\"weak\",\"strong\"],\"rows\":%d,\"shape\":%g,\"calibration\":", t->pairs->count,
               t->gauge.shape);
    calibration_write(&t->gauge.c, &meta);
    put_baseline(&meta, t);
    buf_puts(&meta, "}");
    const struct modelfile_part parts[PARTS] = {{"meta", buf_str(&meta)},
                                                {"starts", buf_str(&t->parts.starts)},
                                                {"keys", buf_str(&t->parts.keys)},
                                                {"rarity", buf_str(&t->parts.rarity)},
                                                {"manner starts", buf_str(&t->manner_parts.starts)},
                                                {"manner keys", buf_str(&t->manner_parts.keys)},
                                                {"manner shares", buf_str(&t->manner_parts.shares)},
                                                {"manner usual", buf_str(&t->manner_parts.usual)},
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
        free(t->rows[0][i].at);
        free(t->rows[1][i].at);
    }
    for (int kind = 0; kind < 3; kind++)
        free(t->rows[kind]);
    free(t->shares);
    free(t->skip);
    free(t->folds);
    free(t->held);
    free(t->p);
    scored_clear(&t->eases);
    vocab_clear(&t->parts);
    manner_clear(&t->manner_parts);
    domain_clear(&t->domains);
}

int pairs_train(const struct pairs *p, const char *path, double share, void (*progress)(int done, int total), struct pairs_report *report,
                struct err *err)
{
    struct trainer t = {.pairs = p, .progress = progress};
    domain_find(&t.domains, p);
    make_rows(&t);
    hold_out(&t);
    weigh_shape(&t);
    int result = measure(&t, share, report, err);
    if (result == 0)
        result = write_model(&t, path, report, err);
    progress(TOTAL, TOTAL);
    clear(&t);
    return result;
}
