#include "cmd/eval_frontier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cmd/frontier.h"
#include "cmd/ranking.h"

enum { PAGE = 1 << 20, RESAMPLES = 1000, LINES = 11 };

static const struct model *dearer(const struct model *a, const struct model *b, bool wants_dearest)
{
    if (a == NULL)
        return b;
    double x = a->price[PRICE_OUTPUT] + a->price[PRICE_INPUT], y = b->price[PRICE_OUTPUT] + b->price[PRICE_INPUT];
    return (wants_dearest ? y > x : y < x) ? b : a;
}

static int find_model(const struct config *config, const char *id, const char *option, const struct model **out, struct err *err)
{
    const char *near = NULL;
    if (id == NULL || (*out = config_model(config, id)))
        return 0;
    int count = config_near_models(config, id, &near, 1);
    return err_set(err, ERR_BAD_REQUEST, "%s: the project has no model '%s'%s%s%s", option, id, count ? " (did you mean '" : "", count ? near : "",
                   count ? "'?)" : "");
}

int eval_frontier_models(struct eval_frontier *f, const struct options *o, const struct config *config, struct err *err)
{
    for (int i = 0; i < f->routed->set->count; i++) {
        const struct model *m = config_model(config, f->routed->at[i].model);
        if (m == NULL)
            continue;
        f->models[0] = dearer(f->models[0], m, false);
        f->models[1] = dearer(f->models[1], m, true);
    }
    if (find_model(config, o->weak_model, "--weak", &f->models[0], err) < 0 || find_model(config, o->strong_model, "--strong", &f->models[1], err) < 0)
        return -1;
    if (f->models[0] && f->models[1] && f->models[0] != f->models[1])
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "%s: the frontier needs two models: give --weak and --strong", f->routed->set->route);
}

static bool is_graded(const struct eval_outcome *o)
{
    return o->verdict == EVAL_PASSED || o->verdict == EVAL_FAILED;
}

struct stand {
    int count;
    double share, quality, usd; /* of the route */
    double weak_usd, strong_usd; /* a question */
};

static struct outcome *gather(const struct eval_frontier *f, const struct ranking *r, struct stand *own)
{
    const struct eval_cases *set = f->routed->set;
    struct outcome *all = xcalloc((size_t)set->count, sizeof *all);
    *own = (struct stand){0};
    for (int i = 0; i < set->count; i++) {
        const struct eval_outcome *a = &f->routed->at[i], *weak = &f->weak->at[i], *strong = &f->strong->at[i];
        if (!is_graded(weak) || !is_graded(strong))
            continue;
        bool is_strong = strcmp(a->model, f->models[1]->id) == 0;
        all[own->count++] = (struct outcome){.p = r->model ? ranking_p(r, set->at[i].prompt) : !is_strong,
                                             .weak = weak->verdict == EVAL_PASSED,
                                             .strong = strong->verdict == EVAL_PASSED};
        own->share += is_strong;
        own->quality += a->verdict != EVAL_FAILED;
        own->usd += a->usd;
        own->weak_usd += weak->usd;
        own->strong_usd += strong->usd;
    }
    double n = own->count ? own->count : 1;
    own->share /= n;
    own->quality /= n;
    own->usd /= n;
    own->weak_usd /= n;
    own->strong_usd /= n;
    return all;
}

static void put_curve(struct buf *out, const struct frontier *m, const struct stand *own)
{
    buf_puts(out, "  strong calls  quality  $ a thousand\n");
    for (int i = 0; i < LINES; i++) {
        double share = (double)i / (LINES - 1);
        buf_printf(out, "  %9.0f %%  %5.1f %%  %12.4f\n", 100 * share, 100 * m->quality[i * (FRONTIER_POINTS - 1) / (LINES - 1)],
                   1000 * ((1 - share) * own->weak_usd + share * own->strong_usd));
    }
    buf_printf(out, "  %9.0f %%  %5.1f %%  %12.4f  the route\n", 100 * own->share, 100 * own->quality, 1000 * own->usd);
}

/* frontier_print writes to a file. */
static void put_figures(struct buf *out, const struct frontier *m)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    frontier_print(m, f);
    fclose(f);
    buf_append(out, text, len);
    free(text);
}

static void put_json(struct buf *out, const struct eval_frontier *f, const struct frontier *m, const struct stand *own)
{
    out->len--; /* the object's closing brace: more follows */
    buf_printf(out, ",\"frontier\":{\"weak_model\":\"%s\",\"strong_model\":\"%s\",\"cases\":%d,", f->models[0]->id, f->models[1]->id, own->count);
    buf_printf(out, "\"route\":{\"share\":%.6f,\"quality\":%.6f,\"usd\":%.9g},\"weak_usd\":%.9g,\"strong_usd\":%.9g,\"measured\":", own->share,
               own->quality, own->usd, own->weak_usd, own->strong_usd);
    frontier_json(m, out);
    buf_puts(out, "}}");
}

int eval_frontier_write(const struct eval_frontier *f, bool as_json, struct buf *out, struct err *err)
{
    struct ranking r = {0};
    struct frontier m;
    struct stand own;
    if (f->router && ranking_open(&r, f->router, err) < 0) {
        ranking_close(&r);
        return -1;
    }
    struct outcome *all = gather(f, &r, &own);
    int failed = own.count ? 0 : err_set(err, ERR_BAD_REQUEST, "%s: no case says anything about an answer that %s and %s could both be graded by",
                                         f->routed->set->path, f->models[0]->id, f->models[1]->id);
    if (failed == 0)
        frontier_measure(&m, all, own.count, RESAMPLES, 1);
    if (failed == 0 && as_json) {
        put_json(out, f, &m, &own);
    } else if (failed == 0) {
        buf_printf(out, "  frontier of %s and %s over %d cases, ranked by %s:\n  ", f->models[0]->id, f->models[1]->id, own.count,
                   f->router ? f->router : "what the route chose");
        put_figures(out, &m);
        put_curve(out, &m, &own);
    }
    free(all);
    ranking_close(&r);
    return failed;
}
