#include "classify/drift.h"

#include <math.h>

/* How many readings of the baseline stand beside those of the window, and what is staked on them. */
static const double PRIOR = 20, STAKE = 0.5;

/* By how much a share may lie above the baseline's before that counts as a change: a baseline is an estimate. */
static const double WIDER = 1.1;

double bins_share(const struct bins *b, int i)
{
    return (b->at[i] + 0.5) / (b->total + 0.5 * b->count);
}

double drift_psi(const struct bins *then, const struct bins *now)
{
    double sum = 0;
    for (int i = 0; i < then->count; i++) {
        double p = bins_share(then, i), q = bins_share(now, i);
        sum += (q - p) * log(q / p);
    }
    return sum;
}

/* Kolmogorov's distribution: the chance of a difference of at least d between samples that together weigh as `n` readings. */
static double kolmogorov(double d, double n)
{
    double x = (sqrt(n) + 0.12 + 0.11 / sqrt(n)) * d, sum = 0; /* Stephens 1970 */
    for (int k = 1; k <= 100; k++)
        sum += (k % 2 ? 2 : -2) * exp(-2 * k * k * x * x);
    return x < 0.2 ? 1 : fmin(fmax(sum, 0), 1);
}

double drift_ks(const struct bins *then, const struct bins *now, double *chance)
{
    double p = 0, q = 0, most = 0;
    if (then->total == 0 || now->total == 0) {
        *chance = 1;
        return 0;
    }
    for (int i = 0; i < then->count; i++) {
        p += then->at[i] / then->total;
        q += now->at[i] / now->total;
        most = fmax(most, fabs(p - q));
    }
    *chance = kolmogorov(most, then->total * now->total / (then->total + now->total));
    return most;
}

void drift_watch_init(struct watch *w, const struct bins *then, double run)
{
    *w = (struct watch){.then = then, .run = run};
}

static void remember(struct watch *w, int bin)
{
    if (w->held == DRIFT_WINDOW)
        w->recent[w->window[w->next]]--;
    else
        w->held++;
    w->recent[bin]++;
    w->window[w->next] = (unsigned char)bin;
    w->next = (w->next + 1) % DRIFT_WINDOW;
}

bool drift_watch_add(struct watch *w, int bin)
{
    double p = bins_share(w->then, bin);
    double q = (w->recent[bin] + PRIOR * p) / (w->held + PRIOR); /* known before this reading: the bet is fair */
    w->evidence = (1 + w->evidence) * (1 - STAKE + STAKE * q / (WIDER * p));
    remember(w, bin);
    if (w->evidence < w->run)
        return false;
    drift_watch_init(w, w->then, w->run);
    return true;
}
