#include "classify/similar_index.h"

#include <math.h>
#include <string.h>

enum { PLACES = 8, VOTERS = 8 };

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

bool similar_index_vector(const struct vocab *v, struct str text, signed char vector[SIMILAR_WIDTH], float *unseen)
{
    float sums[SIMILAR_WIDTH] = {0}, most = 0;
    struct vector x = vocab_vector(v, text);
    for (int i = 0; i < x.count; i++)
        place(sums, modelfile_u32(v->keys, x.at[i].index), x.at[i].value);
    for (int i = 0; i < SIMILAR_WIDTH; i++)
        most = fmaxf(most, fabsf(sums[i]));
    for (int i = 0; most > 0 && i < SIMILAR_WIDTH; i++)
        vector[i] = (signed char)lrintf(sums[i] / most * 127);
    *unseen = x.unseen;
    return most > 0;
}

static int dot(const signed char *restrict a, const signed char *restrict b)
{
    int sum = 0;
    for (int i = 0; i < SIMILAR_WIDTH; i++)
        sum += a[i] * b[i];
    return sum;
}

int similar_index_find(const struct similar_index *x, const signed char *vector, int most, int row, int column, struct near_row *out)
{
    double length = sqrt(dot(vector, vector));
    int count = 0;
    for (int i = 0; i < x->count; i++) {
        const signed char *other = x->vectors + (size_t)i * SIMILAR_WIDTH;
        if (i == row || modelfile_u16(x->columns, (size_t)i) == column)
            continue;
        int product = dot(vector, other);
        double cosine = product > 0 ? product / (length * sqrt(dot(other, other))) : 0;
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
    for (int i = 0; i < count; i++)
        scores[modelfile_u16(x->columns, (size_t)near[i].row)] += (float)(near[i].cosine * near[i].cosine);
}
