#include "classify/gauge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/logit.h"

enum { BINS = 15 };

/* How common texts outside of all labels are taken to be, whatever their share in training: with one in twenty, `known` passes a half where both errors cost alike. */
static const double STRANGERS = 0.06;

/* Of a sane model: products and sums stay finite. */
static const double NUMBER_MOST = 1e9;

/* Of the observations' whole weight. */
static const double RIDGE = 1e-4;

/* Without texts to learn from: familiar unless most words are new. */
static const double UNTAUGHT[GAUGE_SIGNS] = {4, 0, 0, 0, -6, 0, 0};

struct leaders {
    int best;
    double top, second;
};

static struct leaders lead(const struct gauge *g, const float *scores)
{
    struct leaders l = {-1, -INFINITY, -INFINITY};
    for (int c = 0; c < g->columns; c++) {
        if (c == g->oos)
            continue;
        if (scores[c] > l.top) {
            l.second = l.top;
            l.top = scores[c];
            l.best = c;
        } else if (scores[c] > l.second) {
            l.second = scores[c];
        }
    }
    return l;
}

static double probability(const struct gauge *g, const float *scores, double heat, int label)
{
    double sum = 0;
    for (int c = 0; c < g->columns; c++)
        if (c != g->oos)
            sum += exp(heat * (scores[c] - scores[label]));
    return 1 / sum;
}

static void read_signs(const struct gauge *g, const float *scores, float unseen, double signs[GAUGE_SIGNS])
{
    struct leaders l = lead(g, scores);
    double margin = isfinite(l.second) ? l.top - l.second : 0;
    double p = probability(g, scores, g->heat, l.best);
    double away = g->oos >= 0 ? l.top - scores[g->oos] : 0;
    const double all[GAUGE_SIGNS] = {1, l.top, margin, away, unseen, log(fmax(p, 1e-9)), log(fmax(1 - p, 1e-9))};
    memcpy(signs, all, sizeof all);
}

struct reading gauge_read(const struct gauge *g, const float *scores, float unseen)
{
    double signs[GAUGE_SIGNS];
    read_signs(g, scores, unseen, signs);
    struct reading r = {.label = lead(g, scores).best, .known = logit_p(logit_dot(g->known, signs, GAUGE_SIGNS))};
    r.p = logit_p(logit_dot(g->right, signs, GAUGE_SIGNS));
    if (g->oos >= 0 && r.known < 0.5) {
        r.label = g->oos;
        r.p = 1 - r.known;
    }
    return r;
}

static bool read_number(struct str json, double *out)
{
    return json_number(json, out) && fabs(*out) <= NUMBER_MOST;
}

static bool read_weights(struct str meta, const char *name, double *weights)
{
    struct json_walk w = json_walk(json_get(meta, name));
    for (int i = 0; i < GAUGE_SIGNS; i++)
        if (!json_next(&w) || !read_number(w.value, &weights[i]))
            return false;
    return true;
}

bool gauge_open(struct gauge *g, struct str meta)
{
    return read_number(json_get(meta, "heat"), &g->heat) && read_weights(meta, "right", g->right) && read_weights(meta, "known", g->known);
}

/* ---- fitting ---- */

static bool is_inside(const struct gauge *g, const struct gauge_case *c)
{
    return c->label >= 0 && c->label != g->oos && !c->is_stranger;
}

static double loss(const struct gauge *g, const struct gauge_case *cases, int count, double heat)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        if (is_inside(g, &cases[i]))
            sum -= log(fmax(1e-12, probability(g, cases[i].scores, heat, cases[i].label)));
    return sum;
}

/* Golden section over the logarithm: the loss has one valley. */
static double fit_heat(const struct gauge *g, const struct gauge_case *cases, int count)
{
    const double ratio = (sqrt(5) - 1) / 2;
    double low = log(0.1), high = log(200);
    double a = high - ratio * (high - low), b = low + ratio * (high - low);
    double at_a = loss(g, cases, count, exp(a)), at_b = loss(g, cases, count, exp(b));
    while (high - low > 0.01) {
        if (at_a < at_b) {
            high = b, b = a, at_b = at_a;
            a = high - ratio * (high - low);
            at_a = loss(g, cases, count, exp(a));
        } else {
            low = a, a = b, at_a = at_b;
            b = low + ratio * (high - low);
            at_b = loss(g, cases, count, exp(b));
        }
    }
    return exp((low + high) / 2);
}

/* Whether the best label is right, on texts that are or claim to be of one. */
static int observe_right(const struct gauge *g, const struct gauge_case *cases, int count, struct logit_row *out)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        struct logit_row *o = &out[n];
        if (!is_inside(g, &cases[i]))
            continue;
        read_signs(g, cases[i].scores, cases[i].unseen, o->x);
        o->weight = 1;
        o->is_true = lead(g, cases[i].scores).best == cases[i].label;
        n++;
    }
    return n;
}

/* Both sides weigh the same; of those outside, the texts of "oos" and those of labels that were kept back do. False: there is only one side. */
static bool observe_known(const struct gauge *g, const struct gauge_case *cases, int count, struct logit_row *out)
{
    int inside = 0, oos = 0, kept_back = 0;
    for (int i = 0; i < count; i++) {
        inside += is_inside(g, &cases[i]);
        kept_back += cases[i].is_stranger;
    }
    oos = count - inside - kept_back;
    double half = oos && kept_back ? 0.5 : 1;
    for (int i = 0; i < count; i++) {
        read_signs(g, cases[i].scores, cases[i].unseen, out[i].x);
        out[i].is_true = is_inside(g, &cases[i]);
        out[i].weight = out[i].is_true ? 1.0 / inside : half / (cases[i].is_stranger ? kept_back : oos);
    }
    return inside > 0 && inside < count;
}

void gauge_fit(struct gauge *g, const struct gauge_case *cases, int count)
{
    struct logit_row *seen = xcalloc((size_t)count + 1, sizeof *seen);
    g->heat = fit_heat(g, cases, count);
    logit_fit(g->right, GAUGE_SIGNS, seen, observe_right(g, cases, count, seen), RIDGE);
    memcpy(g->known, UNTAUGHT, sizeof g->known);
    free(seen);
}

void gauge_fit_known(struct gauge *g, const struct gauge_case *cases, int count)
{
    struct logit_row *seen = xcalloc((size_t)count + 1, sizeof *seen);
    if (observe_known(g, cases, count, seen)) {
        logit_fit(g->known, GAUGE_SIGNS, seen, count, RIDGE);
        g->known[0] += log((1 - STRANGERS) / STRANGERS);
    }
    free(seen);
}

double gauge_ece(const double *p, const bool *is_right, int count)
{
    double sum[BINS] = {0}, right[BINS] = {0}, error = 0;
    for (int i = 0; i < count; i++) {
        int bin = (int)fmin(BINS - 1, fmax(0, p[i] * BINS));
        sum[bin] += p[i];
        right[bin] += is_right[i];
    }
    for (int i = 0; i < BINS; i++)
        error += fabs(sum[i] - right[i]);
    return count ? error / count : 0;
}
