/*
 * samples: labelled texts, one JSON object a line: {"text": "...", "label": "..."}; other members are ignored,
 * but for one that says where the row comes from ("source" unless another is named), so that training can hold out all of a source.
 *
 * What cannot be trained on is refused with its line: no text, no label, broken JSON or UTF-8, a line over 512 KiB, fewer than two labels. Of an empty
 * text (left out), of a text that stands there with two labels (taken as it is), of labels with few rows and of sources that are none a warning tells.
 */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"

enum { SAMPLES_MOST = 500000, SAMPLES_LABELS = 1000, SAMPLES_SOURCES = 1000, SAMPLES_BYTES = 1 << 30 };

struct sample {
    struct str text;
    int label, line, source;
};

struct samples {
    struct sample *at;
    int count, room;
    char **labels; /* sorted; the column of a label in the model */
    int label_count;
    int oos; /* the column of the label "oos", or -1 */
    char **sources; /* as they came; a row without is of the source "" */
    int source_count; /* 0: the rows do not say */
    struct arena arena;
};

/*
 * Reads all of `path`. `source`: the column of that name, which every row must have; NULL: "source", where there is one. Warnings go to `warn(line in words)`. 0, or -1 with "FILE:LINE: …".
 */
int samples_read(struct samples *s, const char *path, const char *source, void (*warn)(const char *words), struct err *err);
void samples_clear(struct samples *s);
