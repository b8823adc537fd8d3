#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/modelfile.h"
#include "classify/similar_index.h"

enum { LOOKED_UP = 1500, META_MOST = 1 << 20, PART_MOST = 64 << 20, PARTS = 11, GRAMS_MOST = 100000 };

struct builder {
    const struct samples *s;
    struct vocab_parts parts;
    struct similar_index index;
    struct embed_parts words;
    float *lengths;
    struct buf vectors, columns, ends, texts, meta;
    struct gauge gauge;
    double accuracy;
};

static void add_row(struct builder *b, const struct sample *one)
{
    signed char vector[SIMILAR_MOST_WIDTH] = {0};
    float unseen;
    similar_index_vector(&b->index, one->text, vector, &unseen);
    buf_append(&b->vectors, vector, (size_t)similar_index_width(&b->index));
    modelfile_put_u16(&b->columns, (uint16_t)one->label);
    buf_append(&b->texts, one->text.p, one->text.len);
    modelfile_put_u32(&b->ends, (uint32_t)b->texts.len);
}

static void add_rows(struct builder *b)
{
    struct str *texts = xcalloc((size_t)b->s->count, sizeof *texts);
    for (int i = 0; i < b->s->count; i++)
        texts[i] = b->s->at[i].text;
    vocab_build(&b->parts, texts, b->s->count, GRAMS_MOST);
    b->index.vocab = vocab_of(&b->parts);
    for (int i = 0; i < b->s->count; i++)
        add_row(b, &b->s->at[i]);
    b->index.vectors = (const signed char *)b->vectors.p;
    b->index.columns = b->columns.p;
    b->index.count = b->s->count;
    b->index.lengths = b->lengths = similar_index_lengths(&b->index);
    free(texts);
}

/* Looks up a spread of the examples, each without itself, then without its label: what a known and a strange text look like. */
static void fit(struct builder *b)
{
    int columns = b->s->label_count, step = b->s->count / LOOKED_UP + 1, count = 0, right = 0;
    int most = b->s->count / step + 1;
    float *scores = xcalloc(2 * (size_t)most * (size_t)columns, sizeof *scores);
    struct gauge_case *cases = xcalloc(2 * (size_t)most, sizeof *cases), *strange = cases + most;
    for (int i = 0; i < b->s->count; i += step, count++) {
        float *own = scores + 2 * (size_t)count * (size_t)columns, *others = own + columns;
        const signed char *vector = b->index.vectors + (size_t)i * (size_t)similar_index_width(&b->index);
        int label = b->s->at[i].label;
        similar_index_vote(&b->index, vector, i, -1, columns, own);
        similar_index_vote(&b->index, vector, i, label, columns, others);
        cases[count] = (struct gauge_case){own, 0, label, false};
        strange[count] = (struct gauge_case){others, 0, label, true};
    }
    gauge_fit(&b->gauge, cases, count);
    for (int i = 0; i < count; i++)
        right += gauge_read(&b->gauge, cases[i].scores, 0).label == cases[i].label;
    memmove(cases + count, strange, (size_t)count * sizeof *cases);
    gauge_fit_known(&b->gauge, cases, 2 * count);
    b->accuracy = count ? (double)right / count : 0;
    free(cases);
    free(scores);
}

static void put_weights(struct buf *out, const char *name, const double *weights)
{
    buf_printf(out, ",\"%s\":[", name);
    for (int i = 0; i < GAUGE_SIGNS; i++)
        buf_printf(out, "%s%.9g", i ? "," : "", weights[i]);
    buf_puts(out, "]");
}

static void put_meta(struct builder *b)
{
    buf_puts(&b->meta, "{\"kind\":\"similar\",\"labels\":[");
    for (int c = 0; c < b->s->label_count; c++) {
        buf_puts(&b->meta, c ? "," : "");
        json_quote(&b->meta, str_of(b->s->labels[c]));
    }
    buf_printf(&b->meta, "],\"heat\":%.9g", b->gauge.heat);
    put_weights(&b->meta, "right", b->gauge.right);
    put_weights(&b->meta, "known", b->gauge.known);
    buf_printf(&b->meta, ",\"rows\":%d,\"accuracy\":%.6f}", b->s->count, b->accuracy);
}

static void clear(struct builder *b)
{
    vocab_clear(&b->parts);
    embed_clear(&b->words);
    free(b->lengths);
    buf_clear(&b->vectors);
    buf_clear(&b->columns);
    buf_clear(&b->ends);
    buf_clear(&b->texts);
    buf_clear(&b->meta);
}

int similar_train(const struct samples *s, const char *vectors, const char *path, double *accuracy, size_t *bytes, struct err *err)
{
    struct builder b = {.s = s,
                        .vectors = BUF(PART_MOST),
                        .columns = BUF(PART_MOST),
                        .ends = BUF(PART_MOST),
                        .texts = BUF(PART_MOST),
                        .meta = BUF(META_MOST),
                        .gauge = {.columns = s->label_count, .oos = s->oos}};
    if (s->count > SIMILAR_MOST)
        return err_set(err, ERR_LIMIT, "%d examples; at most %d can be looked through in time: take the telling ones", s->count, SIMILAR_MOST);
    if (vectors && embed_read(&b.words, vectors, err) < 0) {
        embed_clear(&b.words);
        return -1;
    }
    if (vectors)
        b.index.embed = embed_of(&b.words);
    add_rows(&b);
    fit(&b);
    put_meta(&b);
    const struct modelfile_part parts[PARTS] = {
        {"meta", buf_str(&b.meta)},       {"starts", buf_str(&b.parts.starts)}, {"keys", buf_str(&b.parts.keys)}, {"rarity", buf_str(&b.parts.rarity)},
        {"vectors", buf_str(&b.vectors)}, {"columns", buf_str(&b.columns)},     {"ends", buf_str(&b.ends)},       {"texts", buf_str(&b.texts)},
        {"word starts", buf_str(&b.words.starts)}, {"word keys", buf_str(&b.words.keys)}, {"word vectors", buf_str(&b.words.vectors)}};
    int result = modelfile_write(path, parts, vectors ? PARTS : PARTS - 3, bytes, err);
    *accuracy = b.accuracy;
    clear(&b);
    return result;
}
