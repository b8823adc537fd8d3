/*
 * assign: which arm of an experiment a unit gets. PlanOut's hash (Bakshy, Eckles and Bernstein 2014, "Designing and Deploying
 * Online Field Experiments"): the first 15 hex digits of SHA-1 of "SALT.arm.UNIT", divided by 2^60.
 *
 * Arms take consecutive ranges of [0, 1) in their order, the control first. As long as every boundary only moves down, a unit only moves to later
 * arms: nobody who was treated comes back.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

uint64_t assign_hash(struct str salt, struct str unit);

static inline double assign_share(uint64_t hash)
{
    return (double)hash / 0x1p60;
}

/* The arm whose range holds the share. `weights` add up to 1. */
int assign_arm(const double *weights, int count, double share);
