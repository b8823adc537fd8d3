#include "classify/threshold.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

/* Answers of one probability. */
struct step {
    double p;
    int rows, right, strong, differ; /* differ: one model is right, the other not */
};

/* How many standard errors above a quality the rows must be for new answers to have it: the threshold was sought among them. */
static const double MARGIN = 0.8;

static int compare(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

/* By p, ascending. The caller frees. */
static struct step *make_steps(const struct calibration *c, const struct scored *rows, int *count)
{
    struct step *steps = xmalloc((size_t)rows->count * sizeof *steps);
    for (int i = 0; i < rows->count; i++) {
        const struct answer *a = &rows->items[i];
        steps[i] = (struct step){calibration_p(c, a->score), 1, a->correct, a->strong, a->correct != a->strong};
    }
    qsort(steps, (size_t)rows->count, sizeof *steps, compare);
    *count = 0;
    for (int i = 0; i < rows->count; i++) {
        struct step *last = *count ? &steps[*count - 1] : NULL;
        if (last && last->p == steps[i].p)
            *last = (struct step){last->p, last->rows + 1, last->right + steps[i].right, last->strong + steps[i].strong,
                                  last->differ + steps[i].differ};
        else
            steps[(*count)++] = steps[i];
    }
    return steps;
}

/* What comes of `gone` rows (of them `gone_right` right, `gone_strong` where the strong model is) leaving for the strong model. */
static struct operating reckon(const struct scored *rows, double gone, double gone_right, double gone_strong,
                               const struct price_pair *prices)
{
    double n = rows->count, right = scored_mean(rows) * n - gone_right;
    return (struct operating){
        .share = gone / n,
        .kept = gone < n ? right / (n - gone) : NAN,
        .quality = rows->has_strong ? (right + gone_strong) / n : NAN,
        .cost = prices ? prices->weak + gone / n * prices->strong : NAN,
    };
}

struct operating threshold_measure(const struct calibration *c, const struct scored *rows, double threshold, double tie,
                                   const struct price_pair *prices)
{
    double gone = 0, right = 0, strong = 0;
    for (int i = 0; i < rows->count; i++) {
        const struct answer *a = &rows->items[i];
        double p = calibration_p(c, a->score), leaves = p < threshold ? 1 : p == threshold ? tie : 0;
        gone += leaves;
        right += leaves * a->correct;
        strong += leaves * a->strong;
    }
    struct operating result = reckon(rows, gone, right, strong, prices);
    result.threshold = threshold;
    result.tie = tie;
    return result;
}

/* The answers of `share` of the rows leave, lowest p first. */
static void find_share(const struct scored *rows, const struct step *steps, int count, double share, struct operating *out)
{
    double gone = 0, want = share * rows->count;
    int i = 0;
    while (i < count - 1 && gone + steps[i].rows <= want)
        gone += steps[i++].rows;
    out->threshold = steps[i].p;
    out->tie = fmin(fmax((want - gone) / steps[i].rows, 0), 1);
}

static double quality_of(const struct operating *o)
{
    return isnan(o->quality) ? o->kept : o->quality;
}

/* What chance may add to the quality: of the kept answers, those count on which the models differ. */
static double margin_of(const struct scored *rows, const struct operating *o, double kept, double differ)
{
    return MARGIN * (rows->has_strong ? sqrt(differ) / rows->count : sqrt(o->kept * (1 - o->kept) / kept));
}

/* The fewest that leave. Of the last step as large a part leaves as is needed. */
static int find_quality(const struct scored *rows, const struct step *steps, int count, double floor, struct operating *out, struct err *err)
{
    double gone = 0, right = 0, strong = 0, differ = 0, before = 0, best = 0;
    for (int i = 0; i < count; i++)
        differ += steps[i].differ;
    for (int i = 0; i < count + rows->has_strong; i++) {
        struct operating now = reckon(rows, gone, right, strong, NULL);
        double sure = quality_of(&now) - margin_of(rows, &now, rows->count - gone, differ);
        if (sure >= floor) {
            out->threshold = steps[i > 0 ? i - 1 : 0].p;
            out->tie = i > 0 ? (floor - before) / (sure - before) : 0;
            return 0;
        }
        before = sure;
        best = fmax(best, sure);
        if (i == count)
            break;
        gone += steps[i].rows;
        right += steps[i].right;
        strong += steps[i].strong;
        differ -= steps[i].differ;
    }
    return err_set(err, ERR_BAD_REQUEST, "no threshold reaches a quality of %.4g, chance left aside: the best %s %.4g", floor,
                   rows->has_strong ? "of the cascade is" : "among kept answers is", best);
}

int threshold_find(const struct calibration *c, const struct scored *rows, enum target target, double value,
                   const struct price_pair *prices, struct operating *out, struct err *err)
{
    int count, result = 0;
    double share = value;
    if (target == TARGET_COST) {
        share = prices->strong > 0 ? (value - prices->weak) / prices->strong : 1;
        if (share < 0)
            return err_set(err, ERR_BAD_REQUEST, "$%.6g per thousand does not pay the weak model, which costs $%.6g", value, prices->weak);
        share = fmin(share, 1);
    }
    struct step *steps = make_steps(c, rows, &count);
    if (target == TARGET_QUALITY)
        result = find_quality(rows, steps, count, value, out, err);
    else
        find_share(rows, steps, count, share, out);
    free(steps);
    if (result == 0)
        *out = threshold_measure(c, rows, out->threshold, out->tie, prices);
    return result;
}
