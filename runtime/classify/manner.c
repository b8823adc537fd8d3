#include "classify/manner.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { PART_MOST = 1 << 20, TEXTS_LEAST = 5, FRAME_LEAST = 5, USUAL_BYTES = 2 * MANNER_SHAPE * 4 };

static const float USUAL_MOST = 1e6F;

static const double FREQUENT = 0.02, FRAME = 0.95;

/* A gram's value beside shapes of about 1, and a product's factor; a shape's bound, and what its spread is taken to be more. */
static const float PRESENT = 0.5F, PRODUCT = 0.5F;
static const double SHAPE_MOST = 2.5, SPREAD_LEAST = 0.05;

/* ---- shape ---- */

struct counts {
    double bytes, digits, numbers, capitals, symbols, words, sentences, lines, amounts, fractions;
};

static struct counts count_of(struct str text)
{
    struct counts n = {.bytes = (double)text.len};
    unsigned char before = ' ';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        n.digits += isdigit(c) != 0;
        n.numbers += isdigit(c) && !isdigit(before);
        n.capitals += c >= 'A' && c <= 'Z';
        n.symbols += c && strchr("=+^*/\\", c);
        n.words += !isspace(c) && isspace(before);
        n.sentences += c == '.' || c == '?';
        n.lines += c == '\n';
        n.amounts += c == '$' || c == '%';
        n.fractions += c == '.' && isdigit(before);
        before = c;
    }
    return n;
}

/* Each about as large as the others over questions of a line or a page. */
static void shape_of(struct str text, double out[MANNER_SHAPE])
{
    struct counts n = count_of(text);
    double bytes = 1 + n.bytes, words = 1 + n.words;
    const double values[MANNER_SHAPE] = {1,
                                         log(bytes) - 5.5,
                                         10 * n.digits / bytes,
                                         10 * n.capitals / bytes,
                                         20 * n.symbols / bytes,
                                         n.digits > 0,
                                         log(1 + n.numbers) - 1.5,
                                         log(1 + n.sentences) - 1.5,
                                         log(1 + n.lines) - 1,
                                         (n.bytes / words - 5) / 2,
                                         log(1 + n.amounts),
                                         log(1 + n.fractions),
                                         5 * n.numbers / words,
                                         n.words / (1 + n.sentences) / 20};
    memcpy(out, values, sizeof values);
}

static float bound(double value)
{
    return (float)fmax(fmin(value, SHAPE_MOST), -SHAPE_MOST);
}

/* The shape as it is, and products of how far it is from that of the training's texts. */
static void put_signs(const struct manner *m, struct str text, int first, struct feature out[MANNER_SIGNS])
{
    double shape[MANNER_SHAPE];
    float off[MANNER_SHAPE];
    int at = 0;
    shape_of(text, shape);
    for (; at < MANNER_SHAPE; at++) {
        out[at] = (struct feature){(uint32_t)(first + at), bound(shape[at])};
        off[at] = bound((shape[at] - modelfile_f32(m->usual, 2 * (size_t)at)) / modelfile_f32(m->usual, 2 * (size_t)at + 1));
    }
    for (int i = 1; i < MANNER_SHAPE; i++)
        for (int k = i; k < MANNER_SHAPE; k++, at++)
            out[at] = (struct feature){(uint32_t)(first + at), PRODUCT * off[i] * off[k]};
}

/* ---- grams ---- */

int manner_width(const struct manner *m)
{
    return MANNER_SIGNS + m->grams.count;
}

int manner_vector(const struct manner *m, struct str text, int first, struct feature out[MANNER_MOST], bool *framed)
{
    static bool met[MANNER_GRAMS];
    struct grams g = grams_of(text);
    int count = MANNER_SIGNS, frame = 0;
    put_signs(m, text, first, out);
    first += MANNER_SIGNS;
    for (int i = 0; i < g.pairs; i++) {
        int index = vocab_find(&m->grams, g.hash[i]);
        if (index < 0 || met[index])
            continue;
        met[index] = true;
        frame += modelfile_f32(m->shares, (size_t)index) >= FRAME;
        out[count++] = (struct feature){(uint32_t)(first + index), PRESENT};
    }
    for (int i = MANNER_SIGNS; i < count; i++)
        met[out[i].index - (uint32_t)first] = false;
    *framed = m->frame < FRAME_LEAST || 2 * frame >= m->frame;
    return count;
}

static int frame_of(const struct manner *m)
{
    int frame = 0;
    for (int i = 0; i < m->grams.count; i++)
        frame += modelfile_f32(m->shares, (size_t)i) >= FRAME;
    return frame;
}

static bool has_sane_spreads(struct str usual)
{
    bool is_sane = modelfile_is_within(usual, USUAL_MOST);
    for (size_t i = 0; i < MANNER_SHAPE && is_sane; i++)
        is_sane = modelfile_f32(usual.p, 2 * i + 1) > 0;
    return is_sane;
}

int manner_open(struct manner *m, const struct modelfile *file, struct err *err)
{
    struct str keys = modelfile_part(file, "manner keys"), shares = modelfile_part(file, "manner shares"), usual = modelfile_part(file, "manner usual");
    if (usual.len != USUAL_BYTES || !has_sane_spreads(usual) || vocab_view(&m->grams, modelfile_part(file, "manner starts"), keys) < 0 || m->grams.count > MANNER_GRAMS || shares.len != keys.len)
        return err_set(err, ERR_MALFORMED, "the model is damaged: its manner does not fit together");
    m->shares = shares.p;
    m->usual = usual.p;
    m->frame = frame_of(m);
    return 0;
}

/* ---- building ---- */

/* In how many texts each gram of the vocabulary is, as a word or a pair of words. The caller frees. */
static int *census(const struct vocab *all, const struct str *texts, int count)
{
    int *seen = xcalloc((size_t)all->count + 1, sizeof *seen), *last = xcalloc((size_t)all->count + 1, sizeof *last);
    for (int i = 0; i < count; i++) {
        struct grams g = grams_of(texts[i]);
        for (int k = 0; k < g.pairs; k++) {
            int index = vocab_find(all, g.hash[k]);
            if (index < 0 || last[index] == i + 1)
                continue;
            last[index] = i + 1;
            seen[index]++;
        }
    }
    free(last);
    return seen;
}

/* How many texts a gram must be in, so that at most MANNER_GRAMS are. */
static int least_texts(const int *seen, int grams, int texts)
{
    int least = (int)fmax(TEXTS_LEAST, ceil(FREQUENT * texts));
    for (;; least++) {
        int kept = 0;
        for (int i = 0; i < grams; i++)
            kept += seen[i] >= least;
        if (kept <= MANNER_GRAMS)
            return least;
    }
}

/* Mean and spread of each number of the shape. */
static void put_usual(struct buf *out, const struct str *texts, int count)
{
    double sums[MANNER_SHAPE] = {0}, squares[MANNER_SHAPE] = {0}, shape[MANNER_SHAPE];
    for (int i = 0; i < count; i++) {
        shape_of(texts[i], shape);
        for (int k = 0; k < MANNER_SHAPE; k++) {
            sums[k] += shape[k];
            squares[k] += shape[k] * shape[k];
        }
    }
    for (int k = 0; k < MANNER_SHAPE; k++) {
        double mean = sums[k] / count;
        modelfile_put_f32(out, (float)mean);
        modelfile_put_f32(out, (float)(sqrt(fmax(squares[k] / count - mean * mean, 0)) + SPREAD_LEAST));
    }
}

void manner_build(struct manner_parts *parts, const struct vocab *all, const struct str *texts, int count)
{
    int *seen = census(all, texts, count), least = least_texts(seen, all->count, count);
    uint32_t keys[MANNER_GRAMS];
    size_t kept = 0;
    *parts = (struct manner_parts){BUF(PART_MOST), BUF(PART_MOST), BUF(PART_MOST), BUF(PART_MOST)};
    put_usual(&parts->usual, texts, count);
    for (int i = 0; i < all->count; i++) {
        if (seen[i] < least)
            continue;
        keys[kept++] = modelfile_u32(all->keys, (size_t)i);
        modelfile_put_f32(&parts->shares, (float)seen[i] / (float)count);
    }
    vocab_put_keys(&parts->starts, &parts->keys, keys, kept);
    free(seen);
}

struct manner manner_of(const struct manner_parts *parts)
{
    struct manner m = {.shares = parts->shares.p, .usual = parts->usual.p};
    vocab_view(&m.grams, buf_str(&parts->starts), buf_str(&parts->keys));
    m.frame = frame_of(&m);
    return m;
}

void manner_clear(struct manner_parts *parts)
{
    buf_clear(&parts->starts);
    buf_clear(&parts->keys);
    buf_clear(&parts->shares);
    buf_clear(&parts->usual);
}
