#include "classify/domain.h"

#include <stdlib.h>

#include "base/alloc.h"

static const double OWN = 0.5, DRAWN = 10;

struct named {
    struct str domain;
    int row;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    size_t shorter = x->domain.len < y->domain.len ? x->domain.len : y->domain.len;
    int order = memcmp(x->domain.p, y->domain.p, shorter);
    return order ? order : (x->domain.len > y->domain.len) - (x->domain.len < y->domain.len);
}

void domain_find(struct domains *d, const struct pairs *p)
{
    struct named *named = xcalloc((size_t)p->count, sizeof *named);
    int count = 0;
    *d = (struct domains){.of = xcalloc((size_t)p->count, sizeof *d->of)};
    for (int i = 0; i < p->count; i++) {
        d->of[i] = -1;
        if (p->at[i].domain.p)
            named[count++] = (struct named){p->at[i].domain, i};
    }
    qsort(named, (size_t)count, sizeof *named, by_name);
    for (int i = 0; i < count; i++) {
        d->count += i == 0 || by_name(&named[i - 1], &named[i]) != 0;
        d->of[named[i].row] = d->count - 1;
    }
    d->known = (double)count / p->count;
    free(named);
}

void domain_clear(struct domains *d)
{
    free(d->of);
}

void domain_shares(const struct domains *d, const struct pairs *p, bool strong, const bool *skip, double *shares)
{
    double *rows = xcalloc((size_t)d->count + 1, sizeof *rows), *right = xcalloc((size_t)d->count + 1, sizeof *right), all = 0, all_right = 0;
    for (int i = 0; i < p->count; i++) {
        if (skip[i])
            continue;
        bool is_right = strong ? p->at[i].strong : p->at[i].weak;
        shares[i] = is_right;
        all++;
        all_right += is_right;
        if (d->of[i] >= 0) {
            rows[d->of[i]]++;
            right[d->of[i]] += is_right;
        }
    }
    for (int i = 0; i < p->count; i++) {
        int in = d->of[i];
        if (!skip[i] && in >= 0)
            shares[i] = OWN * shares[i] + (1 - OWN) * (right[in] + DRAWN * all_right / all) / (rows[in] + DRAWN);
    }
    free(rows);
    free(right);
}
