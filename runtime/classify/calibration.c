#include "classify/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { FOLDS = 5, BLOCKS = 25, BIN_LEAST = 5, STEPS = 100, ERROR_BINS = 15 };

/* How far p leans inside the first and the last block, so that scores there do not tie. */
#define LEAN 0.002

/* ---- isotonic ---- */

struct block {
    double score, right, rows; /* score: a sum */
};

/* Rows of equal score stay together; neighbours join until a block has its least. Rows come as `falls` says: best last. */
static int make_blocks(const struct scored *sorted, bool falls, struct block *blocks)
{
    int least = sorted->count / BLOCKS, count = 0;
    for (int i = 0; i < sorted->count;) {
        struct block b = {0};
        double last = 0;
        for (; i < sorted->count; i++) {
            const struct answer *a = &sorted->items[falls ? sorted->count - 1 - i : i];
            if (b.rows >= (least > BIN_LEAST ? least : BIN_LEAST) && a->score != last)
                break;
            last = a->score;
            b = (struct block){b.score + a->score, b.right + a->correct, b.rows + 1};
        }
        blocks[count++] = b;
    }
    return count;
}

/* Joins neighbours whose shares of right answers fall; returns how many blocks are left. */
static int pool_violators(struct block *blocks, int count)
{
    int held = 0;
    for (int i = 0; i < count; i++) {
        struct block b = blocks[i];
        while (held > 0 && blocks[held - 1].right * b.rows >= b.right * blocks[held - 1].rows) {
            struct block *before = &blocks[--held];
            b = (struct block){before->score + b.score, before->right + b.right, before->rows + b.rows};
        }
        blocks[held++] = b;
    }
    return held;
}

static void add_point(struct calibration *c, double score, double p)
{
    c->points[c->count++] = (struct point){score, fmin(fmax(p, 0), 1)};
}

/* A point for each block and one for each end; small blocks lean to the mean of all by one row. */
static void place_points(struct calibration *c, const struct scored *sorted, const struct block *blocks, int count, bool falls)
{
    double mean = scored_mean(sorted), sign = falls ? -1 : 1;
    double least = sorted->items[0].score, most = sorted->items[sorted->count - 1].score;
    double shares[CALIBRATION_POINTS];
    for (int i = 0; i < count; i++) {
        double share = (blocks[i].right + mean) / (blocks[i].rows + 1);
        shares[i] = i > 0 ? fmax(share, shares[i - 1]) : share;
    }
    for (int k = 0; k < count; k++) {
        int i = falls ? count - 1 - k : k;
        double score = blocks[i].score / blocks[i].rows;
        if (k == 0 && least < score)
            add_point(c, least, shares[i] - sign * LEAN);
        if (k == 0 || score > c->points[c->count - 1].score)
            add_point(c, score, shares[i]);
        if (k == count - 1 && most > c->points[c->count - 1].score)
            add_point(c, most, shares[i] + sign * LEAN);
    }
}

static void fit_isotonic(struct calibration *c, const struct scored *sorted, bool falls)
{
    struct block blocks[CALIBRATION_POINTS];
    int count = make_blocks(sorted, falls, blocks);
    count = pool_violators(blocks, count);
    c->method = METHOD_ISOTONIC;
    c->count = 0;
    place_points(c, sorted, blocks, count, falls);
}

/* ---- Platt ---- */

/* Newton's method on the slope and offset of standardised scores; the two targets are Platt's. */
static void fit_platt(struct calibration *c, const struct scored *rows)
{
    double n = rows->count, right = scored_mean(rows) * n, mean = 0, spread = 0, a = 0, b = 0;
    double high = (right + 1) / (right + 2), low = 1 / (n - right + 2);
    for (int i = 0; i < rows->count; i++)
        mean += rows->items[i].score / n;
    for (int i = 0; i < rows->count; i++)
        spread += pow(rows->items[i].score - mean, 2) / n;
    spread = spread > 0 ? sqrt(spread) : 1;
    for (int step = 0; step < STEPS; step++) {
        double ga = 0, gb = 0, haa = 1e-9, hab = 0, hbb = 1e-9;
        for (int i = 0; i < rows->count; i++) {
            double x = (rows->items[i].score - mean) / spread, p = 1 / (1 + exp(-(a * x + b)));
            double off = p - (rows->items[i].correct ? high : low), w = p * (1 - p);
            ga += off * x, gb += off;
            haa += w * x * x, hab += w * x, hbb += w;
        }
        double det = haa * hbb - hab * hab;
        double da = (hbb * ga - hab * gb) / det, db = (haa * gb - hab * ga) / det;
        double shrink = fmin(1, 2 / fmax(fabs(da), fmax(fabs(db), 1e-300))); /* far from the end, no leaps */
        a -= shrink * da, b -= shrink * db;
        if (fabs(da) + fabs(db) < 1e-10)
            break;
    }
    c->method = METHOD_PLATT;
    c->slope = a / spread;
    c->offset = b - a * mean / spread;
}

static void fit(struct calibration *c, const struct scored *rows, enum calibration_method method)
{
    struct scored sorted = scored_sorted(rows);
    if (method == METHOD_PLATT)
        fit_platt(c, &sorted);
    else
        fit_isotonic(c, &sorted, scored_auroc(&sorted) < 0.5);
    for (int q = 0; q <= CALIBRATION_BINS; q++)
        c->quantiles[q] = sorted.items[(size_t)(sorted.count - 1) * (size_t)q / CALIBRATION_BINS].score;
    scored_clear(&sorted);
}

/* ---- use ---- */

double calibration_p(const struct calibration *c, double score)
{
    if (c->method == METHOD_PLATT)
        return 1 / (1 + exp(-(c->slope * score + c->offset)));
    int low = 0, high = c->count - 1;
    if (!(score > c->points[low].score)) /* NaN too */
        return c->points[low].p;
    if (score >= c->points[high].score)
        return c->points[high].p;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (c->points[middle].score <= score)
            low = middle;
        else
            high = middle;
    }
    const struct point *from = &c->points[low], *to = &c->points[high];
    return from->p + (to->p - from->p) * (score - from->score) / (to->score - from->score);
}

void calibration_cross(const struct scored *rows, enum calibration_method method, double *p)
{
    for (int fold = 0; fold < FOLDS; fold++) {
        struct scored others = {0};
        struct calibration c = {0};
        for (int i = 0; i < rows->count; i++)
            if (scored_fold(i, FOLDS) != fold)
                scored_add(&others, rows->items[i]);
        fit(&c, &others, method);
        for (int i = 0; i < rows->count; i++)
            if (scored_fold(i, FOLDS) == fold)
                p[i] = calibration_p(&c, rows->items[i].score);
        scored_clear(&others);
    }
}

void calibration_fit_as(struct calibration *c, const struct scored *rows, enum calibration_method method, double *p)
{
    calibration_cross(rows, method, p);
    fit(c, rows, method);
    c->rows = rows->count;
    c->accuracy = scored_mean(rows);
    c->ece = calibration_error(rows, p);
}

void calibration_fit(struct calibration *c, const struct scored *rows, double *p)
{
    calibration_cross(rows, METHOD_PLATT, p);
    double platt = calibration_log_loss(rows, p);
    calibration_fit_as(c, rows, METHOD_ISOTONIC, p);
    if (platt < calibration_log_loss(rows, p))
        calibration_fit_as(c, rows, METHOD_PLATT, p);
}

/* ---- measures ---- */

double calibration_log_loss(const struct scored *rows, const double *p)
{
    double sum = 0;
    for (int i = 0; i < rows->count; i++)
        sum -= log(fmax(rows->items[i].correct ? p[i] : 1 - p[i], 1e-9));
    return sum / rows->count;
}

double calibration_error(const struct scored *rows, const double *p)
{
    double off[ERROR_BINS] = {0}, sum = 0;
    for (int i = 0; i < rows->count; i++) {
        int bin = (int)(fmin(fmax(p[i], 0), 1) * ERROR_BINS);
        off[bin < ERROR_BINS ? bin : ERROR_BINS - 1] += p[i] - rows->items[i].correct;
    }
    for (int i = 0; i < ERROR_BINS; i++)
        sum += fabs(off[i]);
    return sum / rows->count;
}

const char *calibration_method_name(enum calibration_method method)
{
    return method == METHOD_PLATT ? "platt" : "isotonic";
}
