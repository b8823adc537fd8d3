/*
 * gram: what a text is made of, as 32-bit hashes: words, pairs of words, and pieces of words.
 *
 * Words are runs of ASCII letters, digits and everything beyond ASCII; each other visible character is a word by itself, so that code and formulas
 * leave a trace. ASCII case is ignored and every digit is the same digit. Pieces are 3 to 5 characters of a word with its ends marked, so
 * that misspelt, inflected and unspaced words meet. Bytes that are no UTF-8 count as one character each. The same on every machine.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

enum {
    GRAM_BYTES = 8192, /* of a text are looked at: the first three quarters of them from its beginning, the rest from its end */
    GRAM_MOST = 12 * GRAM_BYTES
};

/* Words first, then pairs, then pieces: [0, words), [words, pairs), [pairs, count). */
struct grams {
    const uint32_t *hash;
    int words, pairs, count;
};

/* Valid until the next call. Allocates nothing. */
struct grams grams_of(struct str text);
