#include "classify/classifier.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/embed.h"
#include "classify/pairs.h"
#include "classify/subjects.h"

struct classifier {
    struct vocab vocab;
    struct embed embed;
    struct subjects subjects;
    struct linear linear;
    struct gauge gauge;
    bool is_pairs;
    struct pairs_gauge pairs;
    struct manner manner;
    struct str labels[GAUGE_COLUMNS];
    struct arena arena;
};

static int damaged(struct err *err)
{
    return err_set(err, ERR_MALFORMED, "the model is damaged: what it says about itself does not fit together");
}

static int read_labels(struct classifier *c, struct str meta, struct err *err)
{
    for (struct json_walk w = json_walk(json_get(meta, "labels")); json_next(&w); c->gauge.columns++) {
        if (c->gauge.columns == GAUGE_COLUMNS)
            return damaged(err);
        struct str *label = &c->labels[c->gauge.columns];
        *label = json_text(w.value, &c->arena);
        if (label->p == NULL)
            return damaged(err);
        if (str_eq(*label, "oos"))
            c->gauge.oos = c->gauge.columns;
    }
    return c->gauge.columns >= 2 ? 0 : damaged(err);
}

static int read_gauge(struct classifier *c, struct str meta, struct err *err)
{
    if (c->is_pairs)
        return c->gauge.columns == 2 ? pairs_open(&c->pairs, meta, err) : damaged(err);
    return gauge_open(&c->gauge, meta) ? 0 : damaged(err);
}

/* What a text is looked up in beside the vocabulary. */
static int open_others(struct classifier *c, const struct modelfile *m, struct err *err)
{
    if (c->is_pairs)
        return manner_open(&c->manner, m, err);
    return embed_open(&c->embed, m, err) < 0 ? -1 : subjects_open(&c->subjects, m, err);
}

static int feature_count(const struct classifier *c)
{
    if (c->is_pairs)
        return c->vocab.count + manner_width(&c->manner);
    return c->vocab.count + c->embed.width + (c->subjects.bits ? SUBJECTS_WIDTH : 0);
}

struct classifier *classifier_open(struct str bytes, struct err *err)
{
    struct classifier *c = xcalloc(1, sizeof *c);
    struct modelfile m;
    c->arena = ARENA(1 << 20);
    c->gauge.oos = -1;
    if (modelfile_read(&m, bytes, err) == 0) {
        struct str kind = modelfile_kind(&m);
        c->is_pairs = str_eq(kind, "pairs");
        if (!c->is_pairs && !str_eq(kind, "text"))
            err_set(err, ERR_MALFORMED, "a model of kind \"" STR_FMT "\", not of \"text\" or \"pairs\"", STR_ARG(kind));
        else if (read_labels(c, m.meta, err) == 0 && read_gauge(c, m.meta, err) == 0 && vocab_open(&c->vocab, &m, err) == 0 &&
                 open_others(c, &m, err) == 0 &&
                 linear_open(&c->linear, &m, feature_count(c), c->is_pairs ? PAIRS_SCORES : c->gauge.columns, err) == 0)
            return c;
    }
    classifier_close(c);
    return NULL;
}

void classifier_close(struct classifier *c)
{
    arena_clear(&c->arena);
    free(c);
}

static struct verdict read_pair(const struct classifier *c, struct str text, float *scores, float unseen)
{
    struct feature manner[MANNER_MOST];
    bool framed;
    int count = manner_vector(&c->manner, text, c->vocab.count, manner, &framed);
    linear_add(&c->linear, manner, count, scores);
    double p = pairs_p(&c->pairs, scores, framed);
    int column = p < c->pairs.c.threshold;
    return (struct verdict){c->labels[column], column, p, 1 - unseen};
}

/* Of a text in which nothing is known. */
static struct verdict nothing(const struct classifier *c)
{
    int column = c->gauge.oos >= 0 ? c->gauge.oos : 0;
    return (struct verdict){c->labels[column], column, 1.0 / c->gauge.columns, 0};
}

struct verdict classifier_read(const struct classifier *c, struct str text)
{
    float scores[GAUGE_COLUMNS];
    struct vector x = vocab_vector(&c->vocab, text);
    memset(scores, 0, (size_t)c->linear.columns * sizeof *scores);
    linear_add(&c->linear, x.at, x.count, scores);
    if (c->is_pairs)
        return read_pair(c, text, scores, x.unseen);
    if (x.count == 0)
        return nothing(c);
    if (c->subjects.bits) {
        struct feature mix[SUBJECTS_WIDTH];
        subjects_features(&c->subjects, &x, (uint32_t)(c->vocab.count + c->embed.width), mix);
        linear_add(&c->linear, mix, SUBJECTS_WIDTH, scores);
    }
    if (c->embed.width) {
        struct vector meaning = embed_vector(&c->embed, text, (uint32_t)c->vocab.count);
        linear_add(&c->linear, meaning.at, meaning.count, scores);
    }
    struct reading r = gauge_read(&c->gauge, scores, x.unseen);
    return (struct verdict){c->labels[r.label], r.label, r.p, r.known};
}

int classifier_labels(const struct classifier *c, const struct str **labels)
{
    *labels = c->labels;
    return c->gauge.columns;
}
