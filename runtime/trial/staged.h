/*
 * staged: what a spec sets beside its fakes for one decision (scripts/testkit.lua): clock, chance, wye.kv, arms of experiments, and when answers end.
 *
 * Time is the stage's own: an answer ends `ms` after it was asked for or, where its fake says so, at a time since the decision began; pauses of a
 * hedge end in the same way. What ends at the very time that a fake has set for another is seen together with it. What a spec leaves out is as it is live.
 *
 *     if (staged_open(&s, trial, call, arena, &err) == 0) { trial_run(trial, …); staged_tell(&s, out); }    // its prepare: staged_prepare
 */
#pragma once

#include "bind/tape.h"
#include "trial/trial.h"

enum { STAGED_EXPERIMENTS = 16 };

struct staged_end {
    double ms;     /* since the decision began; INFINITY: never */
    bool is_given; /* by the spec: what else ends then is seen with it */
};

struct staged_kv;
struct experiment_binding;

struct staged {
    struct tape tape; /* first: its functions cast back */
    struct trial *trial;
    struct arena *arena;
    struct http_head head;
    struct str id, now, waits, p95, arms; /* JSON of the call; {NULL, 0}: not set */
    struct staged_kv *kv;                 /* NULL: not set */
    int kv_count;

    /* Of the run. */
    double ms; /* since the decision began */
    struct staged_end of_ask[TRIAL_MOST_ASKS], of_pause[TRIAL_PAUSES];
    int asks_seen, pauses_seen, times_seen;
    struct {
        const struct experiment_binding *of;
        int arm;
    } took[STAGED_EXPERIMENTS];
    int took_count;
};

/* Reads {request, protocol, headers, id, now, kv, arms, waits, p95, shadow} and sets the trial up for one run. -1 with err for what the spec did wrong. */
int staged_open(struct staged *s, struct trial *t, struct str call, struct arena *arena, struct err *err);

/* From trial->prepare. */
void staged_prepare(struct staged *s);

/* From trial->answer: when that ask ends, as its fake's answer {ms, at, never} says. */
void staged_answered(struct staged *s, const struct trial_ask *ask, struct str answer);

/* Appends {name, arm, arms} for each experiment that the run took part in, as a JSON list. */
void staged_tell(const struct staged *s, struct buf *out);
