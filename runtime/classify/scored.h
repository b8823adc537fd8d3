/*
 * scored: answers with a score each and whether they were right: what calibrations are fitted to and measured on.
 *
 *     struct scored s = {0};
 *     struct columns c = {.score = "confidence", .correct = "correct"};
 *     if (scored_read(&s, "data.jsonl", &c, &err) < 0) ...
 *     scored_clear(&s);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { SCORED_MOST = 10 * 1000 * 1000, SCORED_LEAST = 20 };

struct answer {
    double score;
    bool correct;
    bool strong; /* whether the strong model was right */
};

struct scored {
    struct answer *items;
    int count, room;
    bool has_strong;
};

/*
 * Names of columns. NULL: "score", "correct"; strong is read where the file has it. For a score called NAME_conf or NAME.score the other is
 * NAME_correct or NAME.correct unless given.
 */
struct columns {
    const char *score, *correct, *strong;
};

void scored_add(struct scored *s, struct answer answer);

/* Appends the file's rows. -1 names file and line; also for fewer than SCORED_LEAST rows and when all are right or all wrong. */
int scored_read(struct scored *s, const char *path, const struct columns *columns, struct err *err);
void scored_clear(struct scored *s);

/* A copy by score, ascending. The caller clears it. */
struct scored scored_sorted(const struct scored *s);

/* Share of the right ones. */
double scored_mean(const struct scored *s);

/* The probability that a right answer scores above a wrong one (AUROC), equal scores counting half. */
double scored_auroc(const struct scored *s);

/* The fold that holds a row out. Mixed, so that what recurs in a file's order does not always fall into the same. */
static inline int scored_fold(int row, int folds)
{
    uint32_t z = ((uint32_t)row + 1) * 0x9e3779b9u;
    z = (z ^ z >> 16) * 0x85ebca6bu;
    z = (z ^ z >> 13) * 0xc2b2ae35u;
    return (int)((z ^ z >> 16) % (uint32_t)folds);
}
