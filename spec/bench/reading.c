/*
 * reading: how long a model takes to read texts, the fastest of many rounds.
 *
 *     reading MODEL TEXTS          MODEL: a classifier or an index of examples; for each line of TEXTS: its bytes and the microseconds
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "classify/classifier.h"
#include "classify/similar.h"

enum { ROUNDS = 15, TIMES = 200, LONGEST = 1 << 16 };

/* One of the two, as the file's kind says. */
struct learnt {
    struct classifier *classifier;
    struct similar *similar;
};

static double read_text(const struct learnt *l, struct str text)
{
    return l->similar ? similar_read(l->similar, text).p : classifier_read(l->classifier, text).p;
}

static double fastest(const struct learnt *l, struct str text)
{
    double best = 1e9, sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_ns();
        for (int i = 0; i < TIMES; i++)
            sum += read_text(l, text);
        double us = (double)(clock_ns() - start) / TIMES / 1000;
        best = us < best ? us : best;
    }
    return sum > 0 ? best : 0;
}

int main(int argc, char **argv)
{
    static char line[LONGEST];
    struct str bytes;
    struct err err;
    FILE *texts = argc == 3 ? fopen(argv[2], "re") : NULL;
    if (texts == NULL || modelfile_map(argv[1], &bytes, &err) < 0) {
        fprintf(stderr, "usage: reading MODEL TEXTS\n");
        return 2;
    }
    struct modelfile m;
    struct learnt l = {0};
    if (modelfile_read(&m, bytes, &err) == 0 && str_eq(modelfile_kind(&m), "similar"))
        l.similar = similar_open(bytes, &err);
    else
        l.classifier = classifier_open(bytes, &err);
    if (l.similar == NULL && l.classifier == NULL) {
        fprintf(stderr, "reading: %s\n", err.message);
        return 1;
    }
    while (fgets(line, sizeof line, texts)) {
        struct str text = str_n(line, strcspn(line, "\n"));
        printf("%zu %.3f\n", text.len, fastest(&l, text));
    }
    fclose(texts);
    if (l.similar)
        similar_close(l.similar);
    else
        classifier_close(l.classifier);
    modelfile_unmap(bytes);
    return 0;
}
