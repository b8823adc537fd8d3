#include "classify/shares.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "classify/logit.h"

enum { ROUNDS = 60, STEPS = 20 };

static const double PRECISION = 2e-3;

struct solver {
    const struct fit_row *rows;
    double *weights; /* cost × the sum of (share - said) × row */
    double *said;    /* what the dual says of each row, in (0, 1) */
    double *squares; /* cost × the row's squared length */
    int *order;
    int count;
    double cost;
};

static double product(const struct fit_row *row, const double *weights)
{
    double sum = 0;
    for (int k = 0; k < row->count; k++)
        sum += row->at[k].value * weights[row->at[k].index];
    return sum;
}

/* Where logit(p) meets the score that the row has once it says p: Newton's method on the score. */
static double settle(double score, double square, double said)
{
    double at = score;
    for (int step = 0; step < STEPS; step++) {
        double p = logit_p(at), off = at - score - square * (said - p);
        at -= off / (1 + square * p * (1 - p));
        if (fabs(off) < 1e-9)
            break;
    }
    return logit_p(at);
}

/* Returns by how much a row changed what it says at most. */
static double pass(struct solver *s)
{
    double most = 0;
    for (int n = 0; n < s->count; n++) {
        int i = s->order[n];
        const struct fit_row *row = &s->rows[i];
        double p = settle(product(row, s->weights), s->squares[i], s->said[i]), change = s->said[i] - p;
        for (int k = 0; k < row->count; k++)
            s->weights[row->at[k].index] += s->cost * change * row->at[k].value;
        s->said[i] = p;
        most = fmax(most, fabs(change));
    }
    return most;
}

/* Fisher and Yates, by a linear congruential generator's high bits. */
static void shuffle(struct solver *s, uint64_t *seed)
{
    for (int i = s->count - 1; i > 0; i--) {
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int k = (int)((*seed >> 32) * (uint64_t)(i + 1) >> 32), held = s->order[i];
        s->order[i] = s->order[k];
        s->order[k] = held;
    }
}

double *shares_fit(const struct fit_row *rows, const double *shares, const bool *skip, int count, int features, double cost)
{
    size_t n = (size_t)count + 1;
    struct solver s = {rows,          xcalloc((size_t)features + 1, sizeof(double)), xcalloc(n, sizeof(double)), xcalloc(n, sizeof(double)),
                       xcalloc(n, sizeof(int)), 0, cost};
    uint64_t seed = 1;
    for (int i = 0; i < count; i++) {
        if (skip[i])
            continue;
        s.order[s.count++] = i;
        s.said[i] = shares[i]; /* with weights of 0 */
        for (int k = 0; k < rows[i].count; k++)
            s.squares[i] += cost * rows[i].at[k].value * rows[i].at[k].value;
    }
    for (int round = 0; round < ROUNDS; round++) {
        shuffle(&s, &seed);
        if (pass(&s) < PRECISION)
            break;
    }
    free(s.said);
    free(s.squares);
    free(s.order);
    return s.weights;
}
