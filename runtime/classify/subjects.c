#include "classify/subjects.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "classify/logit.h"

enum { PART_MOST = 1 << 20, WORDS_MOST = 4096 };

/* Chosen, with the power in subjects_loudness, on prompts of sources that were held out. FOREIGN: what a word of no subject takes from a mix; the ridge is
 * heavier for fewer texts. */
static const float LOUDEST = 2, FOREIGN = 0.05F;
static const double RIDGE = 0.01, FEW = 40;

static const char *const WORDS[SUBJECTS] = {
#define SUBJECT(name, words) words,
#include "classify/subjects.def"
#undef SUBJECT
};

int subjects_open(struct subjects *s, const struct modelfile *m, struct err *err)
{
    struct str starts = modelfile_part(m, "subject starts"), keys = modelfile_part(m, "subject keys"), bits = modelfile_part(m, "subject bits");
    *s = (struct subjects){.bits = (const unsigned char *)bits.p};
    if (bits.p && (vocab_view(&s->words, starts, keys) < 0 || (size_t)s->words.count != bits.len))
        return err_set(err, ERR_MALFORMED, "the model is damaged: its words of subjects do not fit together");
    return 0;
}

void subjects_mix(const struct subjects *s, const uint32_t *words, int count, float mix[SUBJECTS_WIDTH])
{
    float length = 0;
    memset(mix, 0, SUBJECTS_WIDTH * sizeof *mix);
    for (int i = 0; i < count; i++) {
        int index = vocab_find(&s->words, words[i]);
        unsigned bits = index < 0 ? 0 : s->bits[index];
        for (int k = 0; bits && k < SUBJECTS; k++)
            if (bits >> k & 1)
                mix[k] += 1 / (float)__builtin_popcount(bits);
    }
    for (int k = 0; k < SUBJECTS; k++)
        length += mix[k] * mix[k];
    for (int k = 0; k < SUBJECTS && length > 0; k++)
        mix[k] /= sqrtf(length) + FOREIGN * (float)count;
    mix[SUBJECTS] = 1;
}

float subjects_loudness(float unpaired)
{
    return LOUDEST * unpaired * unpaired;
}

void subjects_features(const struct subjects *s, const struct vector *x, uint32_t first, struct feature out[SUBJECTS_WIDTH])
{
    float mix[SUBJECTS_WIDTH];
    subjects_mix(s, x->words, x->word_count, mix);
    for (int k = 0; k < SUBJECTS_WIDTH; k++)
        out[k] = (struct feature){first + (uint32_t)k, mix[k] * subjects_loudness(x->unpaired)};
}

/* ---- the words ---- */

struct word {
    uint32_t key;
    unsigned char bits;
};

static int by_key(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static int list_words(struct word *out)
{
    int count = 0;
    for (int k = 0; k < SUBJECTS; k++) {
        struct grams g = grams_of(str_of(WORDS[k]));
        for (int i = 0; i < g.words && count < WORDS_MOST; i++)
            out[count++] = (struct word){g.hash[i], (unsigned char)(1 << k)};
    }
    return count;
}

void subjects_build(struct subjects_parts *parts)
{
    struct word words[WORDS_MOST];
    uint32_t keys[WORDS_MOST];
    int count = list_words(words), kept = 0;
    qsort(words, (size_t)count, sizeof *words, by_key);
    *parts = (struct subjects_parts){BUF(PART_MOST), BUF(PART_MOST), BUF(PART_MOST)};
    for (int i = 0; i < count; kept++) {
        unsigned char bits = 0;
        for (keys[kept] = words[i].key; i < count && words[i].key == keys[kept]; i++)
            bits |= words[i].bits;
        buf_putc(&parts->bits, (char)bits);
    }
    vocab_put_keys(&parts->starts, &parts->keys, keys, (size_t)kept);
}

struct subjects subjects_of(const struct subjects_parts *parts)
{
    struct subjects s = {.bits = (const unsigned char *)parts->bits.p};
    vocab_view(&s.words, buf_str(&parts->starts), buf_str(&parts->keys));
    return s;
}

void subjects_clear(struct subjects_parts *parts)
{
    buf_clear(&parts->starts);
    buf_clear(&parts->keys);
    buf_clear(&parts->bits);
}

/* ---- fitting ---- */

/* One against the others, for each label; the texts of a label weigh as much together as those of any other. */
void subjects_fit(const struct subjects_row *rows, const bool *skip, int count, int labels, double *weights)
{
    struct logit_row *seen = xcalloc((size_t)count + 1, sizeof *seen);
    int *label = xcalloc((size_t)count + 1, sizeof *label), texts[SUBJECTS_LABELS] = {0}, n = 0;
    for (int i = 0; i < count; i++) {
        if (skip[i])
            continue;
        for (int k = 0; k < SUBJECTS_WIDTH; k++)
            seen[n].x[k] = rows[i].mix[k];
        texts[label[n++] = rows[i].label]++;
    }
    for (int i = 0; i < n; i++)
        seen[i].weight = 1.0 / texts[label[i]];
    for (int c = 0; c < labels; c++) {
        double own[LOGIT_WIDTH] = {0};
        for (int i = 0; i < n; i++)
            seen[i].is_true = label[i] == c;
        if (texts[c])
            logit_fit(own, SUBJECTS_WIDTH, seen, n, RIDGE + FEW / n);
        for (int k = 0; k < SUBJECTS_WIDTH; k++)
            weights[k * labels + c] = own[k];
    }
    free(label);
    free(seen);
}

int subjects_guess(const struct subjects_row *row, const double *weights, int labels)
{
    double most = -INFINITY;
    int best = 0;
    for (int c = 0; c < labels; c++) {
        double score = 0;
        for (int k = 0; k < SUBJECTS_WIDTH; k++)
            score += row->mix[k] * weights[k * labels + c];
        if (score > most) {
            most = score;
            best = c;
        }
    }
    return best;
}
