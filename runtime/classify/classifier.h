/*
 * classifier: a model of kind "text" (or "pairs", whose labels are "weak" and "strong"), read in place: which label a text has, how probably, and whether it is of any of them.
 *
 *     struct classifier *c = classifier_open(bytes, &err);       // borrows the bytes
 *     struct verdict v = classifier_read(c, text);               // "code", 0.93, 0.99
 *     classifier_close(c);
 *
 * Reading allocates nothing and takes microseconds. One thread.
 */
#pragma once

#include "classify/gauge.h"
#include "classify/linear.h"
#include "classify/modelfile.h"

struct classifier;

struct verdict {
    struct str label; /* NUL-terminated; lives as long as the classifier */
    int column;
    double p;     /* that the label is right; of a model of kind "pairs": that the weak model suffices */
    double known; /* that the text is of any of the labels; of "pairs": the share of its words that training saw */
};

/* NULL with err. */
struct classifier *classifier_open(struct str bytes, struct err *err);
void classifier_close(struct classifier *c);
struct verdict classifier_read(const struct classifier *c, struct str text);

/* The labels in their columns' order. */
int classifier_labels(const struct classifier *c, const struct str **labels);
