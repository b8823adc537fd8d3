#include "classify/frontier.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { MEASURES = 4 };

#define MATCHING 0.995

/* The quality after each group of equal p has left, from (0, weak) to (1, strong). */
struct curve {
    double *share, *quality;
    int count;
};

static int compare(const void *a, const void *b)
{
    const struct outcome *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

/* Outcome i counts weights[i] times (once each when NULL). */
static void draw_curve(struct curve *c, const struct outcome *o, const int *weights, int count)
{
    double weak = 0, gone = 0, gained = 0;
    for (int i = 0; i < count; i++)
        weak += (weights ? weights[i] : 1) * o[i].weak;
    c->share[0] = 0;
    c->quality[0] = weak / count;
    c->count = 1;
    for (int i = 0; i < count; i++) {
        double weight = weights ? weights[i] : 1;
        gone += weight;
        gained += weight * (o[i].strong - o[i].weak);
        if (i + 1 < count && o[i + 1].p == o[i].p)
            continue;
        c->share[c->count] = gone / count;
        c->quality[c->count++] = (weak + gained) / count;
    }
}

static double area(const struct curve *c)
{
    double sum = 0;
    for (int i = 1; i < c->count; i++)
        sum += (c->share[i] - c->share[i - 1]) * (c->quality[i] + c->quality[i - 1]) / 2;
    return sum;
}

/* The least share at which the curve is at `quality`; 1 when it never is. */
static double reach(const struct curve *c, double quality)
{
    if (c->quality[0] >= quality)
        return 0;
    for (int i = 1; i < c->count; i++)
        if (c->quality[i] >= quality)
            return c->share[i - 1] + (c->share[i] - c->share[i - 1]) * (quality - c->quality[i - 1]) / (c->quality[i] - c->quality[i - 1]);
    return 1;
}

static void measure(const struct curve *c, double out[MEASURES])
{
    double weak = c->quality[0], strong = c->quality[c->count - 1], gap = strong - weak;
    out[0] = gap > 0 ? (area(c) - weak) / gap : NAN;
    out[1] = gap > 0 ? reach(c, weak + 0.5 * gap) : NAN;
    out[2] = gap > 0 ? reach(c, weak + 0.8 * gap) : NAN;
    out[3] = reach(c, MATCHING * strong);
}

static double quality_at(const struct curve *c, double share)
{
    int i = 1;
    while (i < c->count - 1 && c->share[i] < share)
        i++;
    double step = c->share[i] - c->share[i - 1], part = step > 0 ? (share - c->share[i - 1]) / step : 1;
    return c->quality[i - 1] + (c->quality[i] - c->quality[i - 1]) * fmin(part, 1);
}

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t next(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct interval interval_of(double value, double *drawn, int count)
{
    struct interval result = {value, value, value};
    if (count == 0 || isnan(value))
        return result;
    qsort(drawn, (size_t)count, sizeof *drawn, ascending);
    result.low = drawn[(int)(0.025 * (count - 1))];
    result.high = drawn[(int)ceil(0.975 * (count - 1))];
    return result;
}

/* drawn[m × resamples + r]: measure m of resample r. Those where the models do not differ are left out: `kept` of each. */
static int resample(const struct outcome *o, int count, int resamples, uint64_t seed, struct curve *c, double *drawn)
{
    int *weights = xcalloc((size_t)count, sizeof *weights), kept = 0;
    for (int r = 0; r < resamples; r++) {
        double values[MEASURES];
        memset(weights, 0, (size_t)count * sizeof *weights);
        for (int i = 0; i < count; i++)
            weights[(next(&seed) >> 32) * (uint64_t)count >> 32]++;
        draw_curve(c, o, weights, count);
        measure(c, values);
        if (isnan(values[0]))
            continue;
        for (int m = 0; m < MEASURES; m++)
            drawn[m * resamples + kept] = values[m];
        kept++;
    }
    free(weights);
    return kept;
}

void frontier_measure(struct frontier *f, struct outcome *outcomes, int count, int resamples, uint64_t seed)
{
    size_t points = (size_t)count + 1;
    struct curve c = {xmalloc(points * sizeof(double)), xmalloc(points * sizeof(double)), 0};
    double *drawn = xcalloc((size_t)resamples * MEASURES + 1, sizeof *drawn), values[MEASURES];
    struct interval *intervals[MEASURES] = {&f->apgr, &f->cpt50, &f->cpt80, &f->matching};
    qsort(outcomes, (size_t)count, sizeof *outcomes, compare);
    draw_curve(&c, outcomes, NULL, count);
    measure(&c, values);
    f->count = count;
    f->weak = c.quality[0];
    f->strong = c.quality[c.count - 1];
    for (int i = 0; i < FRONTIER_POINTS; i++)
        f->quality[i] = quality_at(&c, (double)i / (FRONTIER_POINTS - 1));
    int kept = resample(outcomes, count, resamples, seed, &c, drawn);
    for (int m = 0; m < MEASURES; m++)
        *intervals[m] = interval_of(values[m], drawn + m * resamples, kept);
    free(drawn);
    free(c.share);
    free(c.quality);
}
