/*
 * replay: recorded decisions through a generation, another than the one that made them or the same, and what comes out otherwise.
 *
 * No network. The one who reads the trace hands in decisions one after another; what is not comparable is counted by its reason. Two decisions are the same
 * when they would serve the same: models in order with their options, the same reply, the same refusal.
 *
 *     struct replay *r = replay_new(generation);
 *     while ((c = captures_next(all))) replay_decision(r, c);
 *     ...r->replayed, r->changed, r->changes...
 *     replay_free(r);
 */
#pragma once

#include "trial/recorded.h"

enum { REPLAY_CHANGES = 256, REPLAY_EXAMPLES = 3, REPLAY_WORDS = 200 };

struct replay_example {
    char id[24];
    char was_line[200], now_line[200], was_reason[REPLAY_WORDS], now_reason[REPLAY_WORDS];
};

struct replay_change {
    char was[REPLAY_WORDS], now[REPLAY_WORDS];
    uint64_t count;
    struct replay_example examples[REPLAY_EXAMPLES];
};

/* Of what was replayed. */
struct replay_cost {
    double was_usd, now_usd; /* now: asks as recorded, what is served at the price of the model that would serve it */
    uint64_t unpriced;       /* changed to a model without a price */
};

struct replay {
    struct generation *generation;
    struct trial *trial;
    struct recorded recorded;
    struct arena arena;

    /* Set by the caller, may be NULL: only that route's decisions; the route that decides in place of the recorded one; see recorded.h. */
    const char *only;
    const struct route *rule;
    int (*ask)(void *arg, struct trial *t, struct trial_ask *ask);
    void *ask_arg;
    void (*each)(void *arg, const struct captured *c, double weight, struct str was, struct str now); /* every one that was replayed; weight: recorded_weight */
    void *each_arg;

    uint64_t seen, replayed, changed, reworded; /* reworded: the same decision for another reason */
    uint64_t skipped[RECORDED_PROBLEM_COUNT];
    uint64_t unrecorded_asks, unrecorded_kv; /* of what was replayed */
    uint64_t answered_asks; /* by `ask`, in all that was seen */
    uint64_t failed_asks;   /* of those, the ones that ended with an error */
    char failed_why[400];   /* the first of them */
    double answered_usd;
    struct replay_cost cost;
    struct replay_change *changes; /* the first REPLAY_CHANGES kinds, most frequent first after replay_sort */
    int change_count;
    uint64_t other_changes; /* of further kinds */
};

struct replay *replay_new(struct generation *g);
void replay_free(struct replay *r);

void replay_decision(struct replay *r, const struct captured *c);
void replay_sort(struct replay *r);

/* Percent of what was replayed that came out otherwise. */
double replay_percent(const struct replay *r);
