/*
 * training: from labelled texts to a model file of kind "text".
 *
 * Four fits, each without a quarter of the rows, show how good and how sure the model is on texts that it has not seen; up to four more, each without a
 * share of the labels, show what texts of no label look like; the last, on everything, becomes the model. Where rows say what source they are from, whole
 * sources are held out (folds.h), so that all that is said of the model is said of texts from elsewhere. Same rows, same bytes.
 */
#pragma once

#include "classify/samples.h"

struct source_figures {
    int rows, right;
    bool is_apart; /* the fits that read it had seen nothing of it */
};

/* What is known of the model, measured on texts that the scores were not trained on. */
struct training {
    double accuracy, ece;
    int rows, classes;
    size_t bytes;
    int *confusion; /* classes × classes: [truth][said] */
    struct source_figures *sources; /* as many as the samples have */
    bool by_subjects;               /* the model hears what subjects the words are of (subjects.h) */
};

/* `vectors`: a file of word vectors (embed.h), or NULL. `progress(done, total)` is called before each fit and at the end. */
int training_run(const struct samples *s, const char *vectors, const char *path, void (*progress)(int done, int total), struct training *t, struct err *err);
void training_clear(struct training *t);
