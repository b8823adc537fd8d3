#include "classify/manner.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { PART_MOST = 1 << 20, TEXTS_LEAST = 5, FRAME_LEAST = 5 };

static const double FREQUENT = 0.02, FRAME = 0.95;

/* A gram's value, beside shapes of about 1; a shape's bound; a product's factor. */
static const float PRESENT = 0.5F, SHAPE_MOST = 2.5F, PRODUCT = 0.5F;

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

static void put_signs(struct str text, int first, struct feature out[MANNER_SIGNS])
{
    struct counts n = count_of(text);
    double bytes = 1 + n.bytes, words = 1 + n.words;
    /* Each about as large as the others over questions of a line or a page. */
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
    int at = 0;
    for (; at < MANNER_SHAPE; at++)
        out[at] = (struct feature){(uint32_t)(first + at), fmaxf(fminf((float)values[at], SHAPE_MOST), -SHAPE_MOST)};
    for (int i = 1; i < MANNER_SHAPE; i++)
        for (int k = i; k < MANNER_SHAPE; k++, at++)
            out[at] = (struct feature){(uint32_t)(first + at), PRODUCT * out[i].value * out[k].value};
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
    put_signs(text, first, out);
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

int manner_open(struct manner *m, const struct modelfile *file, struct err *err)
{
    struct str keys = modelfile_part(file, "manner keys"), shares = modelfile_part(file, "manner shares");
    if (vocab_view(&m->grams, modelfile_part(file, "manner starts"), keys) < 0 || m->grams.count > MANNER_GRAMS || shares.len != keys.len)
        return err_set(err, ERR_MALFORMED, "the model is damaged: its frequent words do not fit together");
    m->shares = shares.p;
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

void manner_build(struct manner_parts *parts, const struct vocab *all, const struct str *texts, int count)
{
    int *seen = census(all, texts, count), least = least_texts(seen, all->count, count);
    uint32_t keys[MANNER_GRAMS];
    size_t kept = 0;
    *parts = (struct manner_parts){BUF(PART_MOST), BUF(PART_MOST), BUF(PART_MOST)};
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
    struct manner m = {.shares = parts->shares.p};
    vocab_view(&m.grams, buf_str(&parts->starts), buf_str(&parts->keys));
    m.frame = frame_of(&m);
    return m;
}

void manner_clear(struct manner_parts *parts)
{
    buf_clear(&parts->starts);
    buf_clear(&parts->keys);
    buf_clear(&parts->shares);
}
