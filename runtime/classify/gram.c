#include "classify/gram.h"

#include <stdbool.h>

enum { SHORTEST = 3, LONGEST = 5, WORD = 1, PAIR = 2, PIECE = 3 };

/* A word is at most as many as there are bytes; pieces, three for each character and its two marks. */
static uint32_t found[GRAM_MOST];
static struct str words[GRAM_BYTES];

static uint32_t step(uint32_t hash, unsigned char c)
{
    return (hash ^ c) * 0x01000193u;
}

/* The finisher of MurmurHash3: FNV alone leaves the high bits of short texts alike. Never 0, which tables use for "none". */
static uint32_t finish(uint32_t hash, unsigned kind)
{
    hash += kind * 0x9e3779b9u;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    hash ^= hash >> 16;
    return hash ? hash : 1;
}

static unsigned char folded(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c | 0x20;
    return c >= '0' && c <= '9' ? '0' : c;
}

static bool is_letter(unsigned char c)
{
    unsigned char lower = c | 0x20;
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static uint32_t hash_word(struct str word)
{
    uint32_t hash = 0x811c9dc5u;
    for (size_t i = 0; i < word.len; i++)
        hash = step(hash, folded((unsigned char)word.p[i]));
    return hash;
}

static int split(struct str text, int count)
{
    for (size_t i = 0; i < text.len;) {
        size_t start = i;
        while (i < text.len && is_letter((unsigned char)text.p[i]))
            i++;
        bool is_sign = i == start;
        if (is_sign && (unsigned char)text.p[i++] <= ' ')
            continue;
        words[count++] = str_n(text.p + start, i - start);
    }
    return count;
}

/* The byte at `i` of "<word>". */
static unsigned char marked(struct str word, size_t i)
{
    return i == 0 ? '<' : i > word.len ? '>' : folded((unsigned char)word.p[i - 1]);
}

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

static int cut_pieces(struct str word, int count)
{
    size_t len = word.len + 2;
    for (size_t start = 0; start < len; start++) {
        uint32_t hash = 0x811c9dc5u;
        size_t i = start;
        if (is_tail(marked(word, start)))
            continue;
        for (int size = 1; size <= LONGEST && i < len; size++) {
            do {
                hash = step(hash, marked(word, i++));
            } while (i < len && is_tail(marked(word, i)));
            if (size >= SHORTEST && count < GRAM_MOST)
                found[count++] = finish(hash, PIECE + (unsigned)size);
        }
    }
    return count;
}

struct grams grams_of(struct str text)
{
    const size_t head = GRAM_BYTES / 4 * 3;
    int n;
    if (text.len <= GRAM_BYTES)
        n = split(text, 0);
    else
        n = split(str_n(text.p + text.len - (GRAM_BYTES - head), GRAM_BYTES - head), split(str_n(text.p, head), 0));
    struct grams g = {.hash = found, .words = n, .pairs = n ? 2 * n + 1 : 0};
    uint32_t before = '^', hash;
    for (int i = 0; i < n; i++, before = hash) {
        hash = hash_word(words[i]);
        found[i] = finish(hash, WORD);
        found[n + i] = finish(before * 31 + hash, PAIR);
    }
    if (n)
        found[2 * n] = finish(before * 31 + '$', PAIR);
    g.count = g.pairs;
    for (int i = 0; i < n; i++)
        if (is_letter((unsigned char)words[i].p[0]))
            g.count = cut_pieces(words[i], g.count);
    return g;
}
