/*
 * recorded: one captured decision out of the trace, made ready to be decided again in a trial.
 *
 * It gives the trial what the route found then: the client's body and headers, the clock, wye.kv, the numbers of wye.random, the
 * answers to its asks and the order in which they came. Another rule may ask for more, or in another order: an ask is the same when it would send the same to the
 * same model, and the second of two that are the same gets the second answer. What was not recorded is never made up.
 *
 *     if (recorded_open(&r, captured, &arena) == RECORDED_READY) {
 *         recorded_mount(&r, trial);
 *         trial_run(trial, route, captured->request);
 *         if (recorded_verdict(&r) == RECORDED_READY) ...trial->decision against r.decided...
 *     }
 */
#pragma once

#include "bind/tape.h"
#include "trial/trial.h"
#include "trace/captured.h"

/* Why a decision cannot be decided again: the word, and what a person reads. */
#define RECORDED_PROBLEMS(X)                                                                                                     \
    X(READY, "ready", "")                                                                                                        \
    X(NOT_CAPTURED, "not_captured", "were not captured (capture.share)")                                                         \
    X(NO_ROUTE, "no_route", "no route decided (pin, alias, default)")                                                            \
    X(UNDECIDED, "undecided", "ended before their route had decided")                                                            \
    X(CUT, "cut", "lost a part of what was captured (over the limit of 1 MiB)")                                                  \
    X(GONE, "gone", "are of a route that is not replayed, or no longer there")                                                   \
    X(ENDED, "ended", "were ended by a limit on time or memory of scripts")                                                      \
    X(MASKED, "masked", "look at what a mask has taken out")                                                                     \
    X(UNRECORDED, "unrecorded", "ask for what was not recorded (--sim or --live answers it)")

enum recorded_problem {
#define X(name, word, text) RECORDED_##name,
    RECORDED_PROBLEMS(X)
#undef X
        RECORDED_PROBLEM_COUNT
};

struct recorded_step;

struct recorded {
    struct tape tape; /* first: the tape's function casts back */
    const struct captured *from;
    struct http_head head;
    struct str decided, reason, line;
    uint64_t reply_key; /* of capture_reply_key, 0: none */
    uint32_t masked; /* fields of req that a mask reaches (bits as scope.reads) */
    struct recorded_step *steps;
    int count;

    /* Answers an ask that was not recorded: 0, or -1 when it cannot. NULL: none is. */
    int (*ask)(void *arg, struct trial *t, struct trial_ask *ask);
    void *ask_arg;

    /* Of the run. */
    struct trial *trial;
    struct recorded_step *of_ask[TRIAL_MOST_ASKS], *of_pause[TRIAL_PAUSES];
    uint64_t at_ask[TRIAL_MOST_ASKS], at_pause[TRIAL_PAUSES];
    int asks_seen, pauses_seen;
    uint64_t now_us;      /* since the decision began */
    const struct recorded_step *last; /* what ended last; NULL: nothing that was recorded */
    int unrecorded_asks, unrecorded_kv, answered_asks, failed_asks; /* failed: of those answered, with an error */
    const struct reply *failed;                                     /* the first of them, until the next run */
    double answered_usd;
    bool has_met_mask, has_lost_ask;
};

/* Everything of `r` lies in `arena` or in `c`, which both must outlive it. */
enum recorded_problem recorded_open(struct recorded *r, const struct captured *c, struct arena *arena);

/* Sets the trial's hooks for one run. */
void recorded_mount(struct recorded *r, struct trial *t);

/* After the run: RECORDED_READY when nothing was missing that the route looked at, else MASKED or UNRECORDED. */
enum recorded_problem recorded_verdict(const struct recorded *r);

/*
 * After the run: 1 over the probability of the arms whose experiments it did not meet again. What it meets it deals as then: chance is on both sides.
 */
double recorded_weight(const struct recorded *r);

const char *recorded_word(enum recorded_problem p);
const char *recorded_words(enum recorded_problem p);
