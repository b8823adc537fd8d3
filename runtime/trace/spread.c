#include "trace/spread.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { STEPS = 3 }; /* of a power of ten */

void spread_add(struct spread *s, double value)
{
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 64;
        s->values = xrealloc(s->values, s->room * sizeof *s->values);
    }
    s->values[s->count++] = value;
}

void spread_clear(struct spread *s)
{
    free(s->values);
    *s = (struct spread){0};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void spread_sort(struct spread *s)
{
    if (s->count > 1)
        qsort(s->values, s->count, sizeof *s->values, compare);
}

double spread_quantile(const struct spread *s, double q)
{
    if (s->count == 0)
        return 0;
    double rank = ceil(q * (double)s->count);
    size_t at = rank < 1 ? 0 : (size_t)rank - 1;
    return s->values[at < s->count ? at : s->count - 1];
}

double spread_mean(const struct spread *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += s->values[i];
    return s->count ? sum / (double)s->count : 0;
}

static int singles(const struct spread *s, struct bucket *out)
{
    int count = 0;
    for (size_t i = 0; i < s->count; i++) {
        double v = s->values[i];
        if (count > 0 && out[count - 1].from == v) {
            out[count - 1].count++;
            continue;
        }
        if (count == SPREAD_SINGLE || v != rint(v))
            return 0;
        out[count++] = (struct bucket){v, v, 1};
    }
    return count;
}

/* Edge 0 is 1, edge 1 is 2, edge 2 is 5, edge 3 is 10, edge -1 is 0.5. Powers below one divide, so that 0.1 is 0.1. */
static double edge(int n)
{
    static const double factor[STEPS] = {1, 2, 5};
    int tens = (int)floor((double)n / STEPS);
    double f = factor[n - tens * STEPS];
    return tens < 0 ? f / pow(10, -tens) : f * pow(10, tens);
}

/* The edge at or below a positive value. */
static int edge_below(double v)
{
    int n = ((int)floor(log10(v)) - 1) * STEPS;
    while (edge(n + 1) <= v)
        n++;
    return n;
}

int spread_buckets(const struct spread *s, struct bucket out[SPREAD_BUCKETS])
{
    int count = singles(s, out), first;
    size_t i = 0;
    if (count > 0 || s->count == 0)
        return count;
    while (i < s->count && s->values[i] <= 0)
        i++;
    if (i > 0)
        out[count++] = (struct bucket){s->values[0], 0, i};
    if (i == s->count)
        return count;
    first = edge_below(s->values[i]);
    for (int n = first; i < s->count; n++) {
        struct bucket b = {edge(n), edge(n + 1), 0};
        bool is_last = count == SPREAD_BUCKETS - 1;
        for (; i < s->count && (is_last || s->values[i] < b.to); i++)
            b.count++;
        if (is_last)
            b.to = s->values[s->count - 1];
        out[count++] = b;
    }
    return count;
}
