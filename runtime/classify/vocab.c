#include "classify/vocab.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { FEWEST_BITS = 8, MOST_BITS = 16, MOST = 1 << 22, PART_MOST = 64 << 20, WORDS = 0, PAIRS, PIECES, BLOCKS };

/* Of numbers in a sane model; sums of their squares stay finite. */
static const float RARITY_MOST = 1e6f;

static const float LENGTHS[BLOCKS] = {1, 1.2f, 2};

/* Which features of the present text were met, by index; zero between two calls. Grows when a vocabulary is opened. */
static uint16_t *met;
static int met_room;
static struct feature features[GRAM_MOST];

static void make_room(int count)
{
    if (count <= met_room)
        return;
    met = xrealloc(met, (size_t)count * sizeof *met);
    memset(met + met_room, 0, (size_t)(count - met_room) * sizeof *met);
    met_room = count;
}

int vocab_find(const struct vocab *v, uint32_t key)
{
    uint32_t bucket = key >> v->shift, at = modelfile_u32(v->starts, bucket), end = modelfile_u32(v->starts, bucket + 1);
    for (; at < end; at++)
        if (modelfile_u32(v->keys, at) == key)
            return (int)at;
    return -1;
}

static void scale(struct feature *at, int count, float length)
{
    float sum = 0;
    for (int i = 0; i < count; i++)
        sum += at[i].value * at[i].value;
    float factor = sum > 0 ? length / sqrtf(sum) : 0;
    for (int i = 0; i < count; i++)
        at[i].value *= factor;
}

/* Appends one block of the text's grams; returns how many features there are then. */
static int take_block(const struct vocab *v, const uint32_t *hashes, int count, float length, int n, int *known)
{
    int first = n;
    *known = 0;
    for (int i = 0; i < count; i++) {
        int index = vocab_find(v, hashes[i]);
        if (index < 0)
            continue;
        ++*known;
        if (met[index]++ == 0)
            features[n++].index = (uint32_t)index;
    }
    for (int i = first; i < n; i++) {
        uint32_t index = features[i].index;
        float times = met[index] > 1 ? 1 + logf(met[index]) : 1;
        features[i].value = times * modelfile_f32(v->rarity, index);
        met[index] = 0;
    }
    scale(features + first, n - first, length);
    return n;
}

static float share_of_others(int known, int count)
{
    return count ? 1 - (float)known / (float)count : 1;
}

struct vector vocab_vector(const struct vocab *v, struct str text)
{
    struct grams g = grams_of(text);
    struct vector x = {.at = features, .words = g.hash, .word_count = g.words};
    int known, unused;
    x.count = take_block(v, g.hash, g.words, LENGTHS[WORDS], 0, &known);
    x.unseen = share_of_others(known, g.words);
    x.count = take_block(v, g.hash + g.words, g.pairs - g.words, LENGTHS[PAIRS], x.count, &known);
    x.unpaired = share_of_others(known, g.pairs - g.words);
    x.count = take_block(v, g.hash + g.pairs, g.count - g.pairs, LENGTHS[PIECES], x.count, &unused);
    return x;
}

static int count_seen(const struct vocab *v, const uint32_t *hashes, int count, const bool *is_seen)
{
    int known = 0;
    for (int i = 0; i < count; i++) {
        int index = vocab_find(v, hashes[i]);
        known += index >= 0 && is_seen[index];
    }
    return known;
}

struct vector vocab_unseen(const struct vocab *v, struct str text, const bool *is_seen)
{
    struct grams g = grams_of(text);
    int pairs = g.pairs - g.words;
    return (struct vector){.unseen = share_of_others(count_seen(v, g.hash, g.words, is_seen), g.words),
                           .unpaired = share_of_others(count_seen(v, g.hash + g.words, pairs, is_seen), pairs)};
}

/* ---- opening ---- */

/* How far a key is shifted to get its bucket, of which there are one for each start but the last; -1: not a power of two. */
static int shift_of(size_t starts)
{
    for (int bits = FEWEST_BITS; bits <= MOST_BITS; bits++)
        if (starts == ((size_t)1 << bits) + 1)
            return 32 - bits;
    return -1;
}

static bool has_sane_starts(const struct vocab *v, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        if (modelfile_u32(v->starts, i) > modelfile_u32(v->starts, i + 1))
            return false;
    return modelfile_u32(v->starts, count - 1) == (uint32_t)v->count;
}

int vocab_view(struct vocab *v, struct str starts, struct str keys)
{
    *v = (struct vocab){starts.p, keys.p, NULL, (int)(keys.len / 4), shift_of(starts.len / 4)};
    return v->shift < 0 || keys.len / 4 > MOST || !has_sane_starts(v, starts.len / 4) ? -1 : 0;
}

int vocab_open(struct vocab *v, const struct modelfile *m, struct err *err)
{
    struct str keys = modelfile_part(m, "keys"), rarity = modelfile_part(m, "rarity");
    if (vocab_view(v, modelfile_part(m, "starts"), keys) < 0 || rarity.len != keys.len || !modelfile_is_within(rarity, RARITY_MOST))
        return err_set(err, ERR_MALFORMED, "the model is damaged: its vocabulary does not fit together");
    v->rarity = rarity.p;
    make_room(v->count);
    return 0;
}

/* ---- building ---- */

struct entry {
    uint32_t key;
    int texts, last; /* how many texts have it; the last one */
};

struct census {
    struct entry *at;
    size_t room, used;
};

static struct entry *census_find(struct census *c, uint32_t key)
{
    size_t i = key * UINT64_C(0x9e3779b97f4a7c15) >> 20 & (c->room - 1);
    while (c->at[i].key && c->at[i].key != key)
        i = (i + 1) & (c->room - 1);
    return &c->at[i];
}

static void census_grow(struct census *c)
{
    struct census bigger = {xcalloc(c->room * 2, sizeof *c->at), c->room * 2, c->used};
    for (size_t i = 0; i < c->room; i++)
        if (c->at[i].key)
            *census_find(&bigger, c->at[i].key) = c->at[i];
    free(c->at);
    *c = bigger;
}

static void census_add(struct census *c, uint32_t key, int text)
{
    if (c->used * 2 >= c->room)
        census_grow(c);
    struct entry *e = census_find(c, key);
    if (e->key == 0)
        *e = (struct entry){key, 0, -1};
    c->used += e->texts == 0;
    e->texts += e->last != text;
    e->last = text;
}

/* In how many texts a gram must be so that at most `most` stay. */
static int least_texts(const struct census *c, int most)
{
    int least = 1;
    for (;; least++) {
        size_t kept = 0;
        for (size_t i = 0; i < c->room; i++)
            kept += c->at[i].texts >= least;
        if (kept <= (size_t)most)
            return least;
    }
}

static int by_key(const void *a, const void *b)
{
    uint32_t x = ((const struct entry *)a)->key, y = ((const struct entry *)b)->key;
    return (x > y) - (x < y);
}

void vocab_put_keys(struct buf *starts, struct buf *keys, const uint32_t *sorted, size_t count)
{
    int bits = FEWEST_BITS;
    while (bits < MOST_BITS && (size_t)1 << bits < count)
        bits++;
    uint32_t bucket = 0;
    for (size_t i = 0; i < count; i++) {
        for (; bucket <= sorted[i] >> (32 - bits); bucket++)
            modelfile_put_u32(starts, (uint32_t)i);
        modelfile_put_u32(keys, sorted[i]);
    }
    for (; bucket <= (uint32_t)1 << bits; bucket++)
        modelfile_put_u32(starts, (uint32_t)count);
}

static void write_parts(struct vocab_parts *parts, const struct entry *at, size_t count, int texts)
{
    uint32_t *keys = xcalloc(count + 1, sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        keys[i] = at[i].key;
        modelfile_put_f32(&parts->rarity, (float)sqrt(1 + log((1.0 + texts) / (1.0 + at[i].texts))));
    }
    vocab_put_keys(&parts->starts, &parts->keys, keys, count);
    free(keys);
}

void vocab_build(struct vocab_parts *parts, const struct str *texts, int count, int most)
{
    struct census c = {xcalloc(1 << 16, sizeof *c.at), 1 << 16, 0};
    for (int i = 0; i < count; i++) {
        struct grams g = grams_of(texts[i]);
        for (int k = 0; k < g.count; k++)
            census_add(&c, g.hash[k], i);
    }
    int least = least_texts(&c, most);
    size_t kept = 0;
    for (size_t i = 0; i < c.room; i++)
        if (c.at[i].texts >= least && c.at[i].key)
            c.at[kept++] = c.at[i];
    qsort(c.at, kept, sizeof *c.at, by_key);
    *parts = (struct vocab_parts){BUF(PART_MOST), BUF(PART_MOST), BUF(PART_MOST)};
    write_parts(parts, c.at, kept, count);
    free(c.at);
    make_room((int)kept);
}

struct vocab vocab_of(const struct vocab_parts *parts)
{
    return (struct vocab){parts->starts.p, parts->keys.p, parts->rarity.p, (int)(parts->keys.len / 4), shift_of(parts->starts.len / 4)};
}

void vocab_clear(struct vocab_parts *parts)
{
    buf_clear(&parts->starts);
    buf_clear(&parts->keys);
    buf_clear(&parts->rarity);
}
