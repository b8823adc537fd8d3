/*
 * health: what the workers of a machine know of each model and of each provider's key: whether it may be called now, and how fast it is.
 *
 * A target opens (cools) after 5 failures in a row, when half of at least 20 calls of the last seconds failed, after 5 first tokens in a row far
 * over its usual, or at once until the time a rate limit names. It cools for 1 s, twice as long each time, 4 s at most, so that a
 * recovery is seen soon. Then it is half-open: one call at a time over all workers may probe it; a success closes it.
 * A holder of the probe that dies or hangs loses it after a few seconds. Times are clock_ms and passed in.
 *
 *     struct health_target *t = health_target(h, "openai/mini", fingerprint);
 *     if (health_pick(t, now) != HEALTH_COOLING) { health_began(t, slot); ... health_ended(t, slot); health_failed(t, began, now); }
 *
 * All of it is relaxed atomics: a lost update costs a sample, never a hang.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/drains.h"

enum { HEALTH_TARGETS = 512, HEALTH_BUCKETS = 160, HEALTH_SLOTS = 64, HEALTH_NAME = 96 };

/* Microseconds by their logarithm, eight buckets an octave; halved when full, so that old samples fade. */
struct health_times {
    _Atomic uint32_t count;
    _Atomic uint32_t p50_us, p95_us; /* kept up to date by the observers; 0: no sample */
    _Atomic uint64_t seen_ms;        /* the newest sample */
    _Atomic uint32_t buckets[HEALTH_BUCKETS];
};

struct health_target {
    _Atomic uint32_t state;     /* 0 free, 1 being named, 2 in use */
    char name[HEALTH_NAME];
    _Atomic uint64_t fingerprint;
    _Atomic bool is_drained;      /* by the operator */
    _Atomic uint64_t cools_until; /* 0: closed; past: half-open */
    _Atomic uint64_t opened_ms;   /* what began before it says nothing of now */
    _Atomic uint64_t changed_ms;  /* when it last opened or closed; 0: never */
    _Atomic uint64_t probe_until; /* somebody probes it until then */
    _Atomic uint32_t trips;       /* since it was last closed */
    _Atomic uint32_t failures;    /* in a row */
    _Atomic uint32_t slow;        /* first tokens in a row far over the usual */
    _Atomic uint64_t window;      /* which span of time the counts are of */
    _Atomic uint32_t good, bad, good_before, bad_before; /* of it and of the one before */
    _Atomic uint32_t busy[HEALTH_SLOTS];                 /* calls in flight by worker */
    struct health_times first_token, duration;
};

struct health {
    struct health_target targets[HEALTH_TARGETS];
    struct health_target spare; /* for what finds no room: never cools */
    struct drains drains;
};

enum health_pick { HEALTH_CLOSED, HEALTH_PROBE, HEALTH_COOLING };

/* The target of that name. Another fingerprint (address, key, name at the provider) than before clears what was known. */
struct health_target *health_target(struct health *h, const char *name, uint64_t fingerprint);

/* The target of that name; NULL when nobody asked for it yet. */
const struct health_target *health_find(const struct health *h, const char *name);

/* NULL for one that is not in use. */
const char *health_name(const struct health_target *t);

/* May it be called? HEALTH_PROBE: only by the caller, who has taken the one probe. */
enum health_pick health_pick(struct health_target *t, uint64_t now);

/* Milliseconds until it may be probed; 0 when it is closed or half-open. Takes nothing. */
uint64_t health_cooling_ms(const struct health_target *t, uint64_t now);

/* Closed: neither cooling nor waiting for a probe. */
bool health_is_closed(const struct health_target *t);

/* The operator took it out of service: no new call. */
bool health_is_drained(const struct health_target *t);

/* What h->drains says now, at every target. */
void health_drain(struct health *h);

/* What came of a call that began then. */
void health_succeeded(struct health_target *t, uint64_t began, uint64_t now);
void health_failed(struct health_target *t, uint64_t began, uint64_t now);

/* The provider said when to come again. */
void health_cool(struct health_target *t, uint64_t now, uint64_t ms);

/* Neither good nor bad came of it (the client left): a probe is given back. */
void health_undecided(struct health_target *t);

void health_began(struct health_target *t, unsigned slot);
void health_ended(struct health_target *t, unsigned slot);

/* A (re)started worker has no calls in flight. */
void health_begin(struct health *h, unsigned slot);

unsigned health_busy(const struct health_target *t);

void health_first_token(struct health_target *t, uint64_t us, uint64_t now);
void health_duration(struct health_target *t, uint64_t us, uint64_t now);

/* Microseconds at the quantiles of recent calls; 0 when there was none. Stale: none in the last minute. */
uint32_t health_samples(const struct health_times *times);
uint32_t health_p50(const struct health_times *times);
uint32_t health_p95(const struct health_times *times);
bool health_is_stale(const struct health_times *times, uint64_t now);
