/*
 * reading: how long a model takes to read texts, the fastest of many rounds.
 *
 *     reading MODEL TEXTS          for each line of TEXTS: its bytes and the microseconds
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "classify/classifier.h"

enum { ROUNDS = 15, TIMES = 200, LONGEST = 1 << 16 };

static double fastest(const struct classifier *c, struct str text)
{
    double best = 1e9, sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_ns();
        for (int i = 0; i < TIMES; i++)
            sum += classifier_read(c, text).p;
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
    struct classifier *c = classifier_open(bytes, &err);
    if (c == NULL) {
        fprintf(stderr, "reading: %s\n", err.message);
        return 1;
    }
    while (fgets(line, sizeof line, texts)) {
        struct str text = str_n(line, strcspn(line, "\n"));
        printf("%zu %.3f\n", text.len, fastest(c, text));
    }
    fclose(texts);
    classifier_close(c);
    modelfile_unmap(bytes);
    return 0;
}
