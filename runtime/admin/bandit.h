/*
 * bandit: moves the weights of experiments that ask for it, at the boundaries of their periods, towards the arms that their metric favours.
 *
 * Lives in the admin process. The count is made by a child, since it reads the whole trace; one at a time, a minute at most.
 */
#pragma once

#include <sys/types.h>

#include "net/loop.h"
#include "policy/experiments.h"

struct bandit {
    struct experiments *experiments;
    const char *trace_dir;
    uint64_t periods[EXPERIMENTS_MOST]; /* the last that was counted, by place */
    struct timer timer;
    pid_t child; /* 0: none */
};

void bandit_open(struct bandit *b, struct loop *loop);
void bandit_close(struct bandit *b);
