/*
 * eval_summary: what the outcomes of a set come to: quality with its interval, cost and latency, as a whole, by model and by tag; and how that compares with a
 * baseline, case by case. Pure.
 */
#pragma once

#include "trial/eval_results.h"

enum { EVAL_GROUPS = 256 };

struct eval_interval {
    double low, high;
};

struct eval_group {
    const char *name; /* "" for the whole; "provider/id"; the tag */
    int cases, passed, failed, unjudged;
    double quality, low, high; /* of those graded; Wilson's 95 % interval; NaN with none */
    double usd, p50_ms, p95_ms; /* of all that were answered */
    struct eval_interval usd_each, p50, p95; /* 95 %; NaN where there are too few cases */
};

/* Each case that both graded, paired. */
struct eval_change {
    int compared, was_passed, now_passed, broken, mended;
    double p;            /* of so many broken or more, were breaking and mending equally likely (one-sided exact McNemar) */
    double was_usd, now_usd, was_ms, now_ms; /* means */
    bool is_wrong_more, is_dearer, is_slower; /* beyond chance, and cost or time by more than EVAL_DEARER, EVAL_SLOWER */
    bool is_worse;                            /* any of them */
};

struct eval_summary {
    struct eval_group whole, models[EVAL_GROUPS], tags[EVAL_GROUPS];
    int model_count, tag_count;
    double judge_usd;
    bool has_baseline;
    char baseline_by[40]; /* who answered the baseline, where others answered now: nothing is compared then; else "" */
    struct eval_change change;
};

/* p below this is a regression. Where answers do not vary by themselves (the simulator's, recorded ones) one broken case is. */
#define EVAL_ALPHA 0.05

/* How many times the baseline's mean is still no regression. Time is not judged where answers are the simulator's or recorded, nor are a few milliseconds. */
#define EVAL_DEARER 1.1
#define EVAL_SLOWER 1.5
#define EVAL_SLOWER_MS 50

void eval_summary_make(struct eval_summary *s, const struct eval_results *r);

/* `was`: the baseline's outcomes for the same set, verdicts and all. */
void eval_summary_compare(struct eval_summary *s, const struct eval_results *now, const struct eval_results *was, bool is_steady);

/* Wilson (1927): the 95 % interval of a share. */
void eval_wilson(int passed, int of, double *low, double *high);
