/*
 * live: asks of a trial, answered by the project's providers (or by the simulator in their place), one after another.
 *
 * A private server (private.h) over the project makes the calls, so that keys, wires, limits and time are what they are in service. Budgets are looked
 * at before each ask: the one under way when money runs out is still paid. Ctrl-C ends what is under way.
 *
 *     struct live live = {.usd = 0.5, .seconds = 60};           // 0: no limit
 *     if (live_open(&live, generation, false, &err) < 0) ...
 *     replay->ask = live_ask; replay->ask_arg = &live;
 *     ...live.asked, live.spent, live_stopped(&live)...
 *     live_close(&live);
 */
#pragma once

#include "base/opt.h"
#include "cmd/private.h"
#include "trial/trial.h"

struct live {
    double usd, seconds;
    /* Of the run. */
    struct private_server server;
    uint64_t until_ms;
    uint64_t asked, failed;
    double spent;
    const char *stopped; /* why nothing is asked any more; NULL: it is */
};

int live_open(struct live *live, struct generation *g, bool is_demo, struct err *err);
void live_close(struct live *live);

/* recorded.h's `ask`: fills the reply. -1 when nothing is asked any more. `arg` is the struct live. */
int live_ask(void *arg, struct trial *t, struct trial_ask *ask);

/* Ctrl-C came. */
bool live_is_interrupted(void);

/* Reads the budgets --usd and --seconds; -1 when one is no number above 0, or stands without --live. */
int live_options(struct live *live, const struct options *o, struct err *err);
