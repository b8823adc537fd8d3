#include "trial/eval_summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void eval_wilson(int passed, int of, double *low, double *high)
{
    const double z = 1.959963985;
    double n = of, share = passed / n, middle = share + z * z / (2 * n);
    double reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)), scale = 1 + z * z / n;
    *low = of ? fmax(0, (middle - reach) / scale) : NAN;
    *high = of ? fmin(1, (middle + reach) / scale) : NAN;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The smallest that at least this share does not exceed. */
static double percentile(const double *sorted, int count, double share)
{
    int at = (int)ceil(share * count) - 1;
    return count ? sorted[at < 0 ? 0 : at] : NAN;
}

/* Of the mean: what 95 % of the means lie between that are drawn anew from the same values (Efron 1979, percentiles). */
static struct eval_interval around_mean(const double *values, int count)
{
    enum { DRAWS = 1000 };
    double means[DRAWS];
    uint64_t state = 0x9e3779b97f4a7c15;
    if (count < 2)
        return (struct eval_interval){NAN, NAN};
    for (int draw = 0; draw < DRAWS; draw++) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += values[(state >> 32) * (uint64_t)count >> 32];
        }
        means[draw] = sum / count;
    }
    qsort(means, DRAWS, sizeof *means, by_value);
    return (struct eval_interval){percentile(means, DRAWS, 0.025), percentile(means, DRAWS, 0.975)};
}

/* Of a quantile, without an assumption: the values whose ranks n coins of that share fall between with 95 % (Conover 1999, 3.2). */
static struct eval_interval around_quantile(const double *sorted, int n, double share)
{
    struct eval_interval out = {NAN, NAN};
    double below = 0;
    for (int k = 0; k <= n; k++) {
        double log_p = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(share) + (n - k) * log1p(-share);
        if (below + exp(log_p) > 0.025 && isnan(out.low) && k > 0)
            out.low = sorted[k - 1];
        below += exp(log_p);
        if (below >= 0.975) {
            out.high = k < n ? sorted[k] : NAN;
            break;
        }
    }
    return out;
}

static bool is_of(const struct eval_results *r, int i, const char *model, const char *tag)
{
    const struct eval_case *c = &r->set->at[i];
    if (model)
        return strcmp(r->at[i].model, model) == 0;
    for (int k = 0; tag && k < c->tag_count; k++)
        if (strcmp(c->tags[k], tag) == 0)
            return true;
    return !tag;
}

/* Of the cases of that model or tag; NULL: all. */
static void make(struct eval_group *g, const struct eval_results *r, const char *model, const char *tag)
{
    double *ms = xcalloc((size_t)r->set->count + 1, sizeof *ms), *usd = xcalloc((size_t)r->set->count + 1, sizeof *usd);
    *g = (struct eval_group){.name = model ? model : tag ? tag : ""};
    for (int i = 0; i < r->set->count; i++) {
        const struct eval_outcome *o = &r->at[i];
        if (o->verdict == EVAL_OPEN || !is_of(r, i, model, tag))
            continue;
        usd[g->cases] = o->usd;
        ms[g->cases++] = o->ms;
        g->usd += o->usd;
        g->passed += o->verdict == EVAL_PASSED;
        g->failed += o->verdict == EVAL_FAILED;
        g->unjudged += o->verdict == EVAL_UNJUDGED;
    }
    int graded = g->passed + g->failed;
    g->quality = graded ? (double)g->passed / graded : NAN;
    eval_wilson(g->passed, graded, &g->low, &g->high);
    qsort(ms, (size_t)g->cases, sizeof *ms, by_value);
    g->p50_ms = percentile(ms, g->cases, 0.5);
    g->p95_ms = percentile(ms, g->cases, 0.95);
    g->usd_each = around_mean(usd, g->cases);
    g->p50 = around_quantile(ms, g->cases, 0.5);
    g->p95 = around_quantile(ms, g->cases, 0.95);
    free(ms);
    free(usd);
}

static bool is_new(const struct eval_group *groups, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(groups[i].name, name) == 0)
            return false;
    return name[0] && count < EVAL_GROUPS;
}

void eval_summary_make(struct eval_summary *s, const struct eval_results *r)
{
    *s = (struct eval_summary){0};
    make(&s->whole, r, NULL, NULL);
    for (int i = 0; i < r->set->count; i++) {
        const struct eval_case *c = &r->set->at[i];
        if (r->at[i].verdict == EVAL_OPEN)
            continue;
        s->judge_usd += r->at[i].judge_usd;
        if (is_new(s->models, s->model_count, r->at[i].model))
            make(&s->models[s->model_count++], r, r->at[i].model, NULL);
        for (int k = 0; k < c->tag_count; k++)
            if (is_new(s->tags, s->tag_count, c->tags[k]))
                make(&s->tags[s->tag_count++], r, NULL, c->tags[k]);
    }
}

/* P(X >= k) for X of `n` fair coins. */
static double coins(int k, int n)
{
    double p = 0;
    for (int i = k; i <= n; i++)
        p += exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) - n * M_LN2);
    return fmin(1, p);
}

static bool is_graded(const struct eval_outcome *o)
{
    return o->verdict == EVAL_PASSED || o->verdict == EVAL_FAILED;
}

/* Sums of what each case became more. */
struct more {
    double sum, squares;
};

static void add(struct more *m, double difference)
{
    m->sum += difference;
    m->squares += difference * difference;
}

/* Beyond chance (one-sided, by the paired differences) and by more than `times`. Steady values differ by the change alone. */
static bool is_more(const struct more *m, int n, double was, double now, double times, bool is_steady)
{
    double mean = m->sum / n, variance = n > 1 ? (m->squares - m->sum * mean) / (n - 1) : 0;
    bool is_sure = is_steady || (n >= 5 && mean > 1.644853627 * sqrt(fmax(0, variance) / n));
    return n > 0 && is_sure && now > was * times && now > was;
}

void eval_summary_compare(struct eval_summary *s, const struct eval_results *now, const struct eval_results *was, bool is_steady)
{
    struct eval_change *c = &s->change;
    struct more usd = {0}, ms = {0};
    *c = (struct eval_change){0};
    s->has_baseline = true;
    bool is_of_others = was->answered_by[0] && strcmp(was->answered_by, now->answered_by) != 0;
    if (is_of_others)
        snprintf(s->baseline_by, sizeof s->baseline_by, "%s", was->answered_by);
    for (int i = 0; i < now->set->count && !is_of_others; i++) {
        const struct eval_outcome *a = &was->at[i], *b = &now->at[i];
        if (!is_graded(a) || !is_graded(b))
            continue;
        bool was_right = a->verdict == EVAL_PASSED, is_right = b->verdict == EVAL_PASSED;
        c->compared++;
        c->was_passed += was_right;
        c->now_passed += is_right;
        c->broken += was_right && !is_right;
        c->mended += !was_right && is_right;
        c->was_usd += a->usd;
        c->now_usd += b->usd;
        c->was_ms += a->ms;
        c->now_ms += b->ms;
        add(&usd, b->usd - a->usd);
        add(&ms, b->ms - a->ms);
    }
    double n = c->compared ? c->compared : 1;
    c->was_usd /= n;
    c->now_usd /= n;
    c->was_ms /= n;
    c->now_ms /= n;
    c->p = coins(c->broken, c->broken + c->mended);
    c->is_wrong_more = c->broken > 0 && (is_steady || c->p < EVAL_ALPHA);
    c->is_dearer = is_more(&usd, c->compared, c->was_usd, c->now_usd, EVAL_DEARER, is_steady);
    c->is_slower = !is_steady && c->now_ms > c->was_ms + EVAL_SLOWER_MS &&
                   is_more(&ms, c->compared, c->was_ms, c->now_ms, EVAL_SLOWER, false);
    c->is_worse = c->is_wrong_more || c->is_dearer || c->is_slower;
}
