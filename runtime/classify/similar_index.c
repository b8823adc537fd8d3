#include "classify/similar_index.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

enum { PLACES = 8, VOTERS = 16 };

/* Chosen, as the powers of the votes, by examples looked up without themselves. */
static const float MEANING = 0.4f;

/* Adds a gram to the places, and with the signs, that its hash picks (SplitMix64). */
static void place(float *vector, uint32_t key, float value)
{
    uint64_t z = key * UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < PLACES; i++) {
        uint64_t mixed = z += UINT64_C(0x9e3779b97f4a7c15);
        mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
        mixed ^= mixed >> 31;
        vector[mixed % SIMILAR_WIDTH] += mixed >> 63 ? value : -value;
    }
}

/* The grams weigh 1, the meaning of the words MEANING. */
static float sum_up(const struct similar_index *x, struct str text, float sums[SIMILAR_MOST_WIDTH])
{
    struct vector grams = vocab_vector(&x->vocab, text);
    for (int i = 0; i < grams.count; i++)
        place(sums, modelfile_u32(x->vocab.keys, grams.at[i].index), grams.at[i].value);
    if (x->embed.width == 0)
        return grams.unseen;
    float length = 0;
    for (int i = 0; i < SIMILAR_WIDTH; i++)
        length += sums[i] * sums[i];
    struct vector meaning = embed_vector(&x->embed, text, SIMILAR_WIDTH);
    float scale = MEANING * (length > 0 ? sqrtf(length) : 1);
    for (int i = 0; i < meaning.count; i++)
        sums[meaning.at[i].index] = meaning.at[i].value * scale;
    return grams.unseen;
}

bool similar_index_vector(const struct similar_index *x, struct str text, signed char vector[SIMILAR_MOST_WIDTH], float *unseen)
{
    float sums[SIMILAR_MOST_WIDTH] = {0}, most = 0;
    int width = similar_index_width(x);
    *unseen = sum_up(x, text, sums);
    for (int i = 0; i < width; i++)
        most = fmaxf(most, fabsf(sums[i]));
    for (int i = 0; most > 0 && i < width; i++)
        vector[i] = (signed char)lrintf(sums[i] / most * 127);
    return most > 0;
}

/* Of whole numbers, so that the compiler may take them many at a time: the sum is the same in any order. */
static int dot(const signed char *restrict a, const signed char *restrict b, int width)
{
    int sum = 0;
    for (int i = 0; i < width; i++)
        sum += a[i] * b[i];
    return sum;
}

float *similar_index_lengths(const struct similar_index *x)
{
    float *lengths = xcalloc((size_t)x->count + 1, sizeof *lengths);
    int width = similar_index_width(x);
    for (int i = 0; i < x->count; i++) {
        const signed char *row = x->vectors + (size_t)i * (size_t)width;
        lengths[i] = sqrtf((float)dot(row, row, width));
    }
    return lengths;
}

int similar_index_find(const struct similar_index *x, const signed char *vector, int most, int row, int column, struct near_row *out)
{
    int count = 0, width = similar_index_width(x);
    double length = sqrt(dot(vector, vector, width));
    for (int i = 0; i < x->count; i++) {
        if (i == row || modelfile_u16(x->columns, (size_t)i) == column)
            continue;
        int product = dot(vector, x->vectors + (size_t)i * (size_t)width, width);
        double cosine = product > 0 ? product / (length * x->lengths[i]) : 0;
        if (cosine <= 0 || (count == most && cosine <= out[count - 1].cosine))
            continue;
        int at = count < most ? count++ : count - 1;
        for (; at > 0 && out[at - 1].cosine < cosine; at--)
            out[at] = out[at - 1];
        out[at] = (struct near_row){i, cosine};
    }
    return count;
}

void similar_index_vote(const struct similar_index *x, const signed char *vector, int row, int column, int columns, float *scores)
{
    struct near_row near[VOTERS];
    int count = similar_index_find(x, vector, VOTERS, row, column, near);
    memset(scores, 0, (size_t)columns * sizeof *scores);
    for (int i = 0; i < count; i++) {
        double square = near[i].cosine * near[i].cosine;
        scores[modelfile_u16(x->columns, (size_t)near[i].row)] += (float)(square * square * (x->embed.width ? square : 1));
    }
}
