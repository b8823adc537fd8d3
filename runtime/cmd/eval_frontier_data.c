#include "cmd/eval_frontier_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/jsonl.h"
#include "classify/pairs.h"
#include "classify/threshold.h"
#include "cmd/amount.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/frontier.h"
#include "cmd/ranking.h"

enum { PAGE = 1 << 20, RESAMPLES = 1000 };

struct curve {
    const char *data, *router;
    bool is_cascade, has_prices;
    struct price_pair prices;
    struct frontier frontier;
};

static const char *data_of(const struct options *o)
{
    for (int i = 0; i < o->arg_count; i++) {
        const char *end = strrchr(o->args[i], '.');
        if (end && strcmp(end, ".jsonl") == 0)
            return o->args[i];
    }
    return NULL;
}

bool eval_frontier_data_is(const struct options *o)
{
    return data_of(o) != NULL;
}

/* By its first row; what is wrong with it is told by those who read it all. */
static bool holds_scores(const char *path)
{
    struct err err;
    struct str row;
    struct jsonl *j = jsonl_open(path, &err);
    bool has_score = j && jsonl_next(j, &row, &err) > 0 && json_get(row, "score").p;
    jsonl_close(j);
    return has_score;
}

static int rank_pairs(struct curve *c, struct err *err)
{
    struct pairs pairs = {0};
    struct ranking r = {0};
    int failed = ranking_open(&r, c->router, err) < 0 || pairs_read(&pairs, c->data, err) < 0;
    struct outcome *all = failed ? NULL : xcalloc((size_t)pairs.count, sizeof *all);
    for (int i = 0; i < pairs.count && all; i++)
        all[i] = (struct outcome){ranking_p(&r, pairs.at[i].text), pairs.at[i].weak, pairs.at[i].strong};
    if (all)
        frontier_measure(&c->frontier, all, pairs.count, RESAMPLES, 1);
    free(all);
    pairs_clear(&pairs);
    ranking_close(&r);
    return failed ? -1 : 0;
}

/* Scores may fall as answers get better: which way they go, the answers say. */
static void rank_scores(struct curve *c, const struct scored *rows)
{
    struct outcome *all = xcalloc((size_t)rows->count, sizeof *all);
    double sign = scored_auroc(rows) < 0.5 ? -1 : 1;
    for (int i = 0; i < rows->count; i++)
        all[i] = (struct outcome){sign * rows->items[i].score, rows->items[i].correct, rows->items[i].strong};
    frontier_measure(&c->frontier, all, rows->count, RESAMPLES, 1);
    free(all);
}

static int rank_cascade(struct curve *c, struct err *err)
{
    struct scored rows = {0};
    int failed = scored_read(&rows, c->data, &(struct columns){0}, err);
    if (failed == 0 && !rows.has_strong)
        failed = err_set(err, ERR_MALFORMED, "%s: no column 'strong': whether the strong model was right, 0 or 1", c->data);
    if (failed == 0)
        rank_scores(c, &rows);
    scored_clear(&rows);
    return failed;
}

/* ---- what it prints ---- */

/* A thousand questions at that share of strong calls. */
static double usd_at(const struct curve *c, double share)
{
    return (c->is_cascade ? 1 : 1 - share) * c->prices.weak + share * c->prices.strong;
}

static void print_json(const struct curve *c)
{
    struct buf out = BUF(PAGE);
    frontier_json(&c->frontier, &out);
    if (c->has_prices) {
        out.len--; /* the object's closing brace: more follows */
        buf_puts(&out, ",\"usd\":[");
        for (int i = 0; i < FRONTIER_POINTS; i++)
            buf_printf(&out, "%s%.9g", i ? "," : "", usd_at(c, (double)i / (FRONTIER_POINTS - 1)));
        buf_puts(&out, "]}");
    }
    printf(STR_FMT "\n", STR_ARG(buf_str(&out)));
    buf_clear(&out);
}

static void print_text(const struct curve *c)
{
    frontier_print(&c->frontier, stdout);
    printf("  strong calls  quality%s\n", c->has_prices ? "  $ a thousand" : "");
    for (int i = 0; i < FRONTIER_POINTS; i += 2) {
        double share = (double)i / (FRONTIER_POINTS - 1);
        printf("  %9.0f %%  %5.1f %%", 100 * share, 100 * c->frontier.quality[i]);
        if (c->has_prices)
            printf("  %12.4f", usd_at(c, share));
        printf("\n");
    }
}

static int read_prices(struct curve *c, const struct options *o, struct err *err)
{
    if ((o->weak_usd == NULL) != (o->strong_usd == NULL))
        return err_set(err, ERR_BAD_REQUEST, "--weak-usd and --strong-usd belong together");
    c->has_prices = o->weak_usd != NULL;
    if (!c->has_prices)
        return 0;
    return amount_read("weak-usd", o->weak_usd, 1e9, &c->prices.weak, err) < 0 ? -1
                                                                                : amount_read("strong-usd", o->strong_usd, 1e9, &c->prices.strong, err);
}

int eval_frontier_data(const struct options *o)
{
    struct curve c = {.data = data_of(o), .router = o->router};
    struct err err;
    for (int i = 0; i < o->arg_count && c.router == NULL; i++)
        c.router = o->args[i] == c.data ? NULL : o->args[i];
    if (read_prices(&c, o, &err) < 0)
        return complain(o, EXIT_USAGE, "%s", err.message);
    c.is_cascade = c.router == NULL && holds_scores(c.data);
    if (c.router == NULL && !c.is_cascade)
        return complain(o, EXIT_USAGE, "--frontier over %s: which model ranks the questions? Give --router FILE, from `wye train --pairs`", c.data);
    if ((c.is_cascade ? rank_cascade(&c, &err) : rank_pairs(&c, &err)) < 0)
        return complain_of(o, &err);
    if (o->json)
        print_json(&c);
    else
        print_text(&c);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_REFUSED;
}
