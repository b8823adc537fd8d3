/*
 * pace: how many requests at once a worker should take, learnt from how long they take. For limits.adaptive.
 *
 * Over windows (so many samples and ms at least) it compares the geometric mean of the times of requests served with the least such mean of this
 * epoch (so many ms and windows) and the one before. Up to twice that is the provider's own variety; beyond, requests queue somewhere, and the limit falls in that
 * proportion (to a fifth at most) from what was really in flight; while it binds and times are good, it grows by its square root. Only requests that began
 * after a change judge it. A limit that binds for a whole epoch is cut to a quarter for one window, so that the least time is
 * seen again without the queue that the limit itself allows. After Netflix's concurrency-limits (Gradient2) and BBR's ProbeRTT.
 *
 * Pure: times are passed in, nothing waits. Zeroed and given a ceiling by pace_reset it limits nobody.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PACE_WINDOW_SAMPLES = 100, PACE_WINDOW_MS = 100, PACE_EPOCH_MS = 15000, PACE_EPOCH_WINDOWS = 16, PACE_FLOOR = 8 };

struct pace {
    unsigned limit, ceiling, resumes; /* resumes: the limit behind a probe; 0 while none runs */
    uint64_t changed_ns, epoch_ns;
    unsigned samples, peak; /* of this window; peak: most in flight */
    unsigned windows;       /* of this epoch */
    double log_sum;         /* of their times in µs */
    double least[2];        /* mean times in µs, of this epoch and the one before; 0: none */
    bool is_binding;        /* somebody was refused in this epoch */
    bool was_full;          /* and in this window */
};

/* Another ceiling (limits.concurrent): begins to learn anew when it differs. */
void pace_reset(struct pace *p, unsigned ceiling, uint64_t now_ns);

/* May one more begin beside `running`? */
bool pace_admits(struct pace *p, unsigned running);

/* A request was served. True when the limit changed. */
bool pace_served(struct pace *p, uint64_t began_ns, uint64_t now_ns);
