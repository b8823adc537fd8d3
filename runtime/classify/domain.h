/*
 * domain: what questions are about, where their rows say so, and how often a model is right there.
 *
 * One answer is right or wrong by chance to a good part; the mean of a domain is less so. A fit that is told of each row half what happened and half
 * its domain's mean (drawn towards the mean of all by ten rows) learns the subject first, and the wording of single questions less.
 */
#pragma once

#include "classify/pairs.h"

struct domains {
    int *of; /* of each row; -1: none */
    int count;
    double known; /* the share of the rows that have one */
};

void domain_find(struct domains *d, const struct pairs *p);
void domain_clear(struct domains *d);

/* For each row that is not skipped: how right the weak (or strong) model is to be taken, from those rows alone. */
void domain_shares(const struct domains *d, const struct pairs *p, bool strong, const bool *skip, double *shares);
