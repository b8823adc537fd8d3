/*
 * splits: keeps STATE/experiments.json up to date with what workers and admin change in shared memory.
 */
#pragma once

#include "net/loop.h"
#include "policy/experiments.h"

struct splits {
    struct experiments *experiments;
    const char *state_dir;
    uint64_t saved; /* changes that the file has */
    struct timer timer;
};

void splits_open(struct splits *s, struct loop *loop);

/* Writes what is not written yet. */
void splits_close(struct splits *s);
