#include "classify/similar.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/modelfile.h"
#include "classify/similar_index.h"

struct similar {
    struct similar_index index;
    float *lengths;
    struct gauge gauge;
    struct str labels[GAUGE_COLUMNS];
    const char *ends, *texts; /* where each text ends; all texts, one after another */
    struct arena arena;
};

static bool read_meta(struct similar *s, struct str meta)
{
    struct gauge *g = &s->gauge;
    for (struct json_walk w = json_walk(json_get(meta, "labels")); json_next(&w) && g->columns < GAUGE_COLUMNS; g->columns++)
        s->labels[g->columns] = json_text(w.value, &s->arena);
    for (int c = 0; c < g->columns; c++)
        if (s->labels[c].p == NULL)
            return false;
        else if (str_eq(s->labels[c], "oos"))
            g->oos = c;
    return g->columns >= 2 && gauge_open(g, meta);
}

static bool read_rows(struct similar *s, const struct modelfile *m)
{
    struct str vectors = modelfile_part(m, "vectors"), columns = modelfile_part(m, "columns"), ends = modelfile_part(m, "ends"),
               texts = modelfile_part(m, "texts");
    size_t count = columns.len / 2;
    if (count < 2 || count > SIMILAR_MOST || columns.len % 2 || vectors.len != count * (size_t)similar_index_width(&s->index) || ends.len != count * 4)
        return false;
    for (size_t i = 0; i < count; i++)
        if (modelfile_u16(columns.p, i) >= s->gauge.columns || modelfile_u32(ends.p, i) > texts.len ||
            (i > 0 && modelfile_u32(ends.p, i) < modelfile_u32(ends.p, i - 1)))
            return false;
    s->index.vectors = (const signed char *)vectors.p;
    s->index.columns = columns.p;
    s->index.count = (int)count;
    s->index.lengths = s->lengths = similar_index_lengths(&s->index);
    s->ends = ends.p;
    s->texts = texts.len ? texts.p : ends.p; /* all of them empty: anywhere in the file */
    return true;
}

struct similar *similar_open(struct str bytes, struct err *err)
{
    struct similar *s = xcalloc(1, sizeof *s);
    struct modelfile m;
    s->arena = ARENA(1 << 20);
    s->gauge.oos = -1;
    if (modelfile_read(&m, bytes, err) == 0) {
        struct str kind = modelfile_kind(&m);
        if (!str_eq(kind, "similar"))
            err_set(err, ERR_MALFORMED, "a model of kind \"" STR_FMT "\", not of \"similar\": `wye train --similar` makes one", STR_ARG(kind));
        else if (embed_open(&s->index.embed, &m, err) == 0 && vocab_open(&s->index.vocab, &m, err) == 0) {
            if (read_meta(s, m.meta) && read_rows(s, &m))
                return s;
            err_set(err, ERR_MALFORMED, "the model is damaged: its examples do not fit together");
        }
    }
    similar_close(s);
    return NULL;
}

void similar_close(struct similar *s)
{
    arena_clear(&s->arena);
    free(s->lengths);
    free(s);
}

int similar_nearest(const struct similar *s, struct str text, int most, struct neighbour *out)
{
    struct near_row near[SIMILAR_NEAREST];
    signed char vector[SIMILAR_MOST_WIDTH];
    float unseen;
    if (!similar_index_vector(&s->index, text, vector, &unseen))
        return 0;
    int count = similar_index_find(&s->index, vector, most < SIMILAR_NEAREST ? most : SIMILAR_NEAREST, -1, -1, near);
    for (int i = 0; i < count; i++) {
        uint32_t start = near[i].row ? modelfile_u32(s->ends, (size_t)near[i].row - 1) : 0;
        out[i] = (struct neighbour){str_n(s->texts + start, modelfile_u32(s->ends, (size_t)near[i].row) - start),
                                    s->labels[modelfile_u16(s->index.columns, (size_t)near[i].row)], near[i].cosine};
    }
    return count;
}

struct likeness similar_read(const struct similar *s, struct str text)
{
    float scores[GAUGE_COLUMNS], unseen;
    signed char vector[SIMILAR_MOST_WIDTH];
    if (!similar_index_vector(&s->index, text, vector, &unseen))
        return (struct likeness){s->labels[s->gauge.oos >= 0 ? s->gauge.oos : 0], 1.0 / s->gauge.columns, 0};
    similar_index_vote(&s->index, vector, -1, -1, s->gauge.columns, scores);
    struct reading r = gauge_read(&s->gauge, scores, unseen);
    /* The examples know all of their own words, so the gauge could not learn what a new one means. */
    return (struct likeness){s->labels[r.label], r.p, r.known * (1 - unseen)};
}
