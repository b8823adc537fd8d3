#include "classify/logit.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 50 };

struct regression {
    const struct logit_row *rows;
    int count, width;
    double ridge;
};

double logit_p(double x)
{
    return 1 / (1 + exp(-x));
}

double logit_dot(const double *a, const double *b, int width)
{
    double sum = 0;
    for (int i = 0; i < width; i++)
        sum += a[i] * b[i];
    return sum;
}

static void swap(double *a, double *b)
{
    double swapped = *a;
    *a = *b;
    *b = swapped;
}

/* Solves m · x = y in place by elimination with pivots; the answer is in y. */
static void solve(double m[LOGIT_WIDTH][LOGIT_WIDTH], double y[LOGIT_WIDTH], int width)
{
    for (int i = 0; i < width; i++) {
        int pivot = i;
        for (int r = i + 1; r < width; r++)
            if (fabs(m[r][i]) > fabs(m[pivot][i]))
                pivot = r;
        for (int c = 0; c < width; c++)
            swap(&m[i][c], &m[pivot][c]);
        swap(&y[i], &y[pivot]);
        for (int r = 0; r < width; r++) {
            if (r == i)
                continue;
            double factor = m[r][i] / m[i][i];
            for (int c = i; c < width; c++)
                m[r][c] -= factor * m[i][c];
            y[r] -= factor * y[i];
        }
    }
    for (int i = 0; i < width; i++)
        y[i] /= m[i][i];
}

static double misfit(const struct regression *r, const double *weights)
{
    double sum = r->ridge / 2 * logit_dot(weights, weights, r->width);
    for (const struct logit_row *o = r->rows; o < r->rows + r->count; o++) {
        double x = logit_dot(weights, o->x, r->width) * (o->is_true ? -1 : 1);
        sum += o->weight * (x > 30 ? x : log1p(exp(x)));
    }
    return sum;
}

/* Where Newton's method would go from `weights`: the way is what to take away. */
static void find_way(const struct regression *r, const double *weights, double way[LOGIT_WIDTH])
{
    double hessian[LOGIT_WIDTH][LOGIT_WIDTH] = {{0}};
    for (int i = 0; i < r->width; i++) {
        hessian[i][i] = r->ridge;
        way[i] = r->ridge * weights[i];
    }
    for (const struct logit_row *o = r->rows; o < r->rows + r->count; o++) {
        double p = logit_p(logit_dot(weights, o->x, r->width));
        for (int i = 0; i < r->width; i++) {
            way[i] += o->weight * (p - o->is_true) * o->x[i];
            for (int j = 0; j < r->width; j++)
                hessian[i][j] += o->weight * p * (1 - p) * o->x[i] * o->x[j];
        }
    }
    solve(hessian, way, r->width);
}

/* Each step is halved until it helps. */
void logit_fit(double *weights, int width, const struct logit_row *rows, int count, double ridge)
{
    struct regression r = {rows, count, width, 0};
    double way[LOGIT_WIDTH], next[LOGIT_WIDTH];
    for (int i = 0; i < count; i++)
        r.ridge += rows[i].weight * ridge;
    memset(weights, 0, (size_t)width * sizeof *weights);
    double now = misfit(&r, weights), then = now;
    for (int round = 0; round < ROUNDS; round++) {
        find_way(&r, weights, way);
        for (double share = 1; share > 1e-4; share /= 2) {
            for (int i = 0; i < width; i++)
                next[i] = weights[i] - share * way[i];
            then = misfit(&r, next);
            if (then < now)
                break;
        }
        if (!(then < now))
            return;
        memcpy(weights, next, (size_t)width * sizeof *weights);
        now = then;
    }
}
