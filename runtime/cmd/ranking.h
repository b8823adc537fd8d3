/*
 * ranking: a model file that tells weak from strong, and in which order questions leave for the strong model by it.
 *
 *     struct ranking r = {0};
 *     if (ranking_open(&r, path, &err) == 0) ...ranking_p(&r, text)...
 *     ranking_close(&r);
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct classifier;

struct ranking {
    struct str bytes;
    struct classifier *model; /* NULL: none was opened */
};

/* Closed by the caller, whatever is returned. -1: no model, or one of another kind than `wye train --pairs` makes. */
int ranking_open(struct ranking *r, const char *path, struct err *err);
void ranking_close(struct ranking *r);

/* The probability that the weak model suffices. */
double ranking_p(const struct ranking *r, struct str text);
