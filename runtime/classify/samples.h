/*
 * samples: labelled texts, one JSON object a line: {"text": "...", "label": "..."}; other members are ignored.
 *
 * What cannot be trained on is refused with its line: no text, no label, broken JSON or UTF-8, a line over 512 KiB, fewer than two labels. Of an empty
 * text (left out) and of a text that stands there with two labels (taken as it is) a warning tells.
 */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"

enum { SAMPLES_MOST = 500000, SAMPLES_LABELS = 1000, SAMPLES_BYTES = 1 << 30 };

struct sample {
    struct str text;
    int label, line;
};

struct samples {
    struct sample *at;
    int count, room;
    char **labels; /* sorted; the column of a label in the model */
    int label_count;
    int oos; /* the column of the label "oos", or -1 */
    struct arena arena;
};

/* Reads all of `path`. Warnings go to `warn(line in words)`. 0, or -1 with "FILE:LINE: …". */
int samples_read(struct samples *s, const char *path, void (*warn)(const char *words), struct err *err);
void samples_clear(struct samples *s);
