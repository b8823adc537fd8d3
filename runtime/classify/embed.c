#include "classify/embed.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { LINE_MOST = 16384, PART_MOST = 64 << 20 };

static const float LENGTH = 1.5f;

/* Of Zipf's law: words at line 1,000 weigh about a half. */
static const double HALF_LINE = 1000;

struct vector embed_vector(const struct embed *e, struct str text, uint32_t first)
{
    static struct feature features[EMBED_WIDTH];
    float sums[EMBED_WIDTH] = {0}, length = 0;
    struct grams g = grams_of(text);
    for (int i = 0; i < g.words; i++) {
        int index = vocab_find(&e->words, g.hash[i]);
        const signed char *vector = e->vectors + (size_t)index * (size_t)e->width;
        for (int k = 0; index >= 0 && k < e->width; k++)
            sums[k] += (float)vector[k];
    }
    for (int k = 0; k < e->width; k++)
        length += sums[k] * sums[k];
    for (int k = 0; k < e->width; k++)
        features[k] = (struct feature){first + (uint32_t)k, length > 0 ? sums[k] * LENGTH / sqrtf(length) : 0};
    return (struct vector){.at = features, .count = length > 0 ? e->width : 0};
}

int embed_open(struct embed *e, const struct modelfile *m, struct err *err)
{
    struct str starts = modelfile_part(m, "word starts"), keys = modelfile_part(m, "word keys"), vectors = modelfile_part(m, "word vectors");
    *e = (struct embed){.vectors = (const signed char *)vectors.p};
    if (vectors.p == NULL)
        return 0;
    if (vocab_view(&e->words, starts, keys) < 0 || e->words.count == 0 || vectors.len % (size_t)e->words.count ||
        vectors.len / (size_t)e->words.count > EMBED_WIDTH)
        return err_set(err, ERR_MALFORMED, "the model is damaged: its word vectors do not fit together");
    e->width = (int)(vectors.len / (size_t)e->words.count);
    return 0;
}

/* ---- reading a file of vectors ---- */

struct word {
    uint32_t key;
    float vector[EMBED_WIDTH];
};

/* 1: a word; 0: not one word here; -1: no vector of that width. */
static int read_word(char *line, int *width, double weight, struct word *out)
{
    char *at = strchr(line, ' '), *end;
    int count = 0;
    if (at == NULL)
        return -1;
    struct grams g = grams_of(str_n(line, (size_t)(at - line)));
    out->key = g.words == 1 ? g.hash[0] : 0;
    for (; count < EMBED_WIDTH; count++, at = end) {
        double n = strtod(at, &end);
        if (end == at)
            break;
        out->vector[count] = (float)(n * weight);
    }
    if (*width == 0)
        *width = count;
    if (count < 2 || count != *width || !(*at == '\n' || *at == '\0'))
        return -1;
    return out->key != 0;
}

static int by_key(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static void write_parts(struct embed_parts *parts, struct word *words, int count)
{
    float most = 0;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < parts->width; k++)
            most = fmaxf(most, fabsf(words[i].vector[k]));
    uint32_t *keys = xcalloc((size_t)count + 1, sizeof *keys);
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if (kept > 0 && keys[kept - 1] == words[i].key)
            continue;
        keys[kept++] = words[i].key;
        for (int k = 0; k < parts->width; k++)
            buf_putc(&parts->vectors, (char)lrintf(words[i].vector[k] / most * 127));
    }
    vocab_put_keys(&parts->starts, &parts->keys, keys, (size_t)kept);
    free(keys);
}

int embed_read(struct embed_parts *parts, const char *path, struct err *err)
{
    static char line[LINE_MOST];
    FILE *f = fopen(path, "re");
    *parts = (struct embed_parts){BUF(PART_MOST), BUF(PART_MOST), BUF(PART_MOST), 0};
    if (f == NULL)
        return err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    struct word *words = xcalloc(EMBED_WORDS, sizeof *words);
    int count = 0, number = 0, got = 0;
    while (got >= 0 && count < EMBED_WORDS && fgets(line, sizeof line, f)) {
        number++;
        got = read_word(line, &parts->width, number / (number + HALF_LINE), &words[count]);
        count += got > 0;
    }
    fclose(f);
    if (got < 0 || count == 0)
        err_set(err, ERR_MALFORMED, "%s:%d: a line must be a word and its 2 to %d numbers, as many on each line", path, number, EMBED_WIDTH);
    qsort(words, (size_t)count, sizeof *words, by_key);
    write_parts(parts, words, count);
    free(words);
    return got < 0 || count == 0 ? -1 : 0;
}

struct embed embed_of(const struct embed_parts *parts)
{
    struct embed e = {.vectors = (const signed char *)parts->vectors.p, .width = parts->width};
    vocab_view(&e.words, buf_str(&parts->starts), buf_str(&parts->keys));
    return e;
}

void embed_clear(struct embed_parts *parts)
{
    buf_clear(&parts->starts);
    buf_clear(&parts->keys);
    buf_clear(&parts->vectors);
}
