#include "classify/pairs.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/jsonl.h"
#include "classify/logit.h"

enum { TEXTS_MOST = 1 << 30 };

/* ---- use ---- */

/* Manner counts twice: it is right of more subjects than were trained on, words of those alone. */
static const double MANNER = 2;

double pairs_ease(const struct pairs_gauge *g, const float scores[PAIRS_SCORES], bool framed)
{
    double words = logit_p(scores[0]) - logit_p(scores[1]), manner = logit_p(scores[2]) - logit_p(scores[3]);
    double shape = logit_p(scores[4]) - logit_p(scores[5]);
    return framed ? (words + MANNER * manner + g->shape * shape) / (1 + MANNER + g->shape) : shape;
}

double pairs_p(const struct pairs_gauge *g, const float scores[PAIRS_SCORES], bool framed)
{
    return calibration_p(&g->c, pairs_ease(g, scores, framed));
}

int pairs_open(struct pairs_gauge *g, struct str meta, struct err *err)
{
    struct err why;
    if (!json_number(json_get(meta, "shape"), &g->shape))
        return err_set(err, ERR_MALFORMED, "the model is of an older wye: train it again");
    if (calibration_parse(&g->c, json_get(meta, "calibration"), &why) < 0 || !g->c.has_threshold || !(g->shape >= 0 && g->shape <= 1))
        return err_set(err, ERR_MALFORMED, "the model is damaged: its calibration does not fit");
    return 0;
}

/* ---- data ---- */

static int read_pair(struct pairs *p, const struct jsonl *j, struct str row, struct err *err)
{
    struct str text = json_get(row, "text");
    struct str domain = json_get(row, "domain");
    struct pair pair = {0};
    if (json_type(text) != JSON_STRING)
        return jsonl_fail(j, err, "no \"text\": each line is {\"text\": \"...\", \"weak\": 0 or 1, \"strong\": 0 or 1}");
    if (jsonl_bit(j, row, "weak", &pair.weak, err) < 0 || jsonl_bit(j, row, "strong", &pair.strong, err) < 0)
        return -1;
    pair.text = json_text(text, &p->arena);
    if (domain.p && json_type(domain) != JSON_NULL)
        pair.domain = arena_str(&p->arena, domain);
    if (pair.text.p == NULL || p->count == PAIRS_MOST)
        return jsonl_fail(j, err, "too much data: %d rows and %d MiB of text at most", PAIRS_MOST, TEXTS_MOST >> 20);
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 1024;
        p->at = xrealloc(p->at, (size_t)p->room * sizeof *p->at);
    }
    p->at[p->count++] = pair;
    return 0;
}

static int check(const struct pairs *p, const char *path, struct err *err)
{
    int weak = 0, strong = 0;
    for (int i = 0; i < p->count; i++) {
        weak += p->at[i].weak;
        strong += p->at[i].strong;
    }
    if (p->count < PAIRS_LEAST)
        return err_set(err, ERR_MALFORMED, "%s: %d row%s; pairs need at least %d", path, p->count, p->count == 1 ? "" : "s", PAIRS_LEAST);
    bool is_weak = weak == 0 || weak == p->count;
    if (is_weak || strong == 0)
        return err_set(err, ERR_MALFORMED, "%s: '%s' is %d in every row: there is nothing to tell apart", path, is_weak ? "weak" : "strong",
                       (is_weak ? weak : strong) != 0);
    return 0;
}

int pairs_read(struct pairs *p, const char *path, struct err *err)
{
    struct str row;
    int got = -1;
    *p = (struct pairs){.arena = ARENA(TEXTS_MOST)};
    struct jsonl *j = jsonl_open(path, err);
    while (j && (got = jsonl_next(j, &row, err)) > 0)
        if ((got = read_pair(p, j, row, err)) < 0)
            break;
    jsonl_close(j);
    return got < 0 ? -1 : check(p, path, err);
}

void pairs_clear(struct pairs *p)
{
    free(p->at);
    arena_clear(&p->arena);
}
