/*
 * vocab: the grams that a model knows, and a text as a sparse vector over them.
 *
 * Words, pairs of words and pieces of words are three blocks; in each a gram weighs (1 + log of its count) × the root of its inverse document
 * frequency, and each block is scaled to a length of its own, so that long texts and texts without known pairs compare.
 */
#pragma once

#include <stdbool.h>

#include "classify/gram.h"
#include "classify/modelfile.h"

struct vocab {
    const char *starts, *keys, *rarity; /* parts "starts", "keys", "rarity" */
    int count, shift;
};

struct feature {
    uint32_t index; /* below vocab.count */
    float value;
};

struct vector {
    const struct feature *at;
    int count;
    float unseen, unpaired; /* shares of the words and of the pairs of words that are not known */
    const uint32_t *words;  /* hashes of all words, known or not */
    int word_count;
};

/* 0, or -1 when the model's parts do not fit together. */
int vocab_open(struct vocab *v, const struct modelfile *m, struct err *err);

/* The index of a gram; -1 when it is not known. */
int vocab_find(const struct vocab *v, uint32_t key);

/* Grams alone, without their rarity: only for vocab_find. -1 when the parts do not fit together. */
int vocab_view(struct vocab *v, struct str starts, struct str keys);

/* Appends the two parts for keys that are sorted and differ. */
void vocab_put_keys(struct buf *starts, struct buf *keys, const uint32_t *sorted, size_t count);

/* Valid until the next call. Allocates nothing. */
struct vector vocab_vector(const struct vocab *v, struct str text);

/* A vector without features: what would not be known of the text if only the grams with `is_seen` were. */
struct vector vocab_unseen(const struct vocab *v, struct str text, const bool *is_seen);

/* The three parts from training texts; of more than `most` grams the most frequent stay. The caller clears the buffers. */
struct vocab_parts {
    struct buf starts, keys, rarity;
};
void vocab_build(struct vocab_parts *parts, const struct str *texts, int count, int most);
struct vocab vocab_of(const struct vocab_parts *parts);
void vocab_clear(struct vocab_parts *parts);
