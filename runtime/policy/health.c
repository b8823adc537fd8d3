#include "policy/health.h"

#include <string.h>

#include <xxhash.h>

enum { FREE, NAMING, IN_USE };
enum { MOST_FAILURES = 5, LEAST_CALLS = 20, SPAN_MS = 5000 };
enum { FIRST_COOLDOWN_MS = 1000, MOST_DOUBLINGS = 2, PROBE_MS = 4000, LONGEST_MS = 3600 * 1000 };
enum { LEAST_SAMPLES = 64, SLOW_FACTOR = 4, LEAST_SLOW_US = 1000 * 1000, FRESH_MS = 60 * 1000 };
enum { FIRST_OCTAVE = 8, STEPS = 8, STEP_BITS = 3, FULL = 2048, EACH = 16, PATIENCE = 1000 };

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define STORE(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define ADD(field, n) atomic_fetch_add_explicit(&(field), (n), memory_order_relaxed)

/* ---- names ---- */

static void forget(struct health_target *t)
{
    STORE(t->cools_until, 0);
    STORE(t->probe_until, 0);
    STORE(t->trips, 0);
    STORE(t->failures, 0);
    STORE(t->slow, 0);
    STORE(t->window, 0);
    STORE(t->first_token.count, 0);
    STORE(t->duration.count, 0);
    for (int i = 0; i < HEALTH_BUCKETS; i++) {
        STORE(t->first_token.buckets[i], 0);
        STORE(t->duration.buckets[i], 0);
    }
    STORE(t->first_token.p50_us, 0);
    STORE(t->first_token.p95_us, 0);
    STORE(t->duration.p50_us, 0);
    STORE(t->duration.p95_us, 0);
}

static bool take_name(struct health_target *t, const char *name)
{
    uint32_t state = FREE;
    if (!atomic_compare_exchange_strong(&t->state, &state, NAMING))
        return false;
    strcpy(t->name, name);
    atomic_store(&t->state, IN_USE);
    return true;
}

/* One that is being named is waited for, but not for ever: its worker may have died. */
static bool has_name(struct health_target *t, const char *name)
{
    for (int i = 0; i < PATIENCE && atomic_load(&t->state) == NAMING; i++)
        continue;
    return atomic_load(&t->state) == IN_USE && strcmp(t->name, name) == 0;
}

struct health_target *health_target(struct health *h, const char *name, uint64_t fingerprint)
{
    size_t len = strlen(name), at = XXH3_64bits(name, len) % HEALTH_TARGETS;
    if (len >= HEALTH_NAME)
        return &h->spare;
    for (int i = 0; i < HEALTH_TARGETS; i++, at = (at + 1) % HEALTH_TARGETS) {
        struct health_target *t = &h->targets[at];
        if (!take_name(t, name) && !has_name(t, name))
            continue;
        if (atomic_exchange(&t->fingerprint, fingerprint) != fingerprint)
            forget(t);
        atomic_store(&t->is_drained, drains_match(&h->drains, name) != NULL);
        return t;
    }
    return &h->spare;
}

const struct health_target *health_find(const struct health *h, const char *name)
{
    for (int i = 0; i < HEALTH_TARGETS; i++)
        if (atomic_load(&h->targets[i].state) == IN_USE && strcmp(h->targets[i].name, name) == 0)
            return &h->targets[i];
    return NULL;
}

void health_drain(struct health *h)
{
    for (int i = 0; i < HEALTH_TARGETS; i++)
        if (atomic_load(&h->targets[i].state) == IN_USE)
            atomic_store(&h->targets[i].is_drained, drains_match(&h->drains, h->targets[i].name) != NULL);
}

bool health_is_drained(const struct health_target *t)
{
    return LOAD(t->is_drained);
}

static bool is_spare(const struct health_target *t)
{
    return atomic_load_explicit(&t->state, memory_order_acquire) != IN_USE;
}

const char *health_name(const struct health_target *t)
{
    return is_spare(t) ? NULL : t->name;
}

/* ---- the breaker ---- */

static void open_for(struct health_target *t, uint64_t now, uint64_t ms)
{
    uint64_t until = LOAD(t->cools_until);
    STORE(t->opened_ms, now);
    if (until == 0)
        STORE(t->changed_ms, now);
    STORE(t->failures, 0);
    STORE(t->slow, 0);
    STORE(t->probe_until, 0);
    while (until < now + ms && !atomic_compare_exchange_weak(&t->cools_until, &until, now + ms))
        continue;
}

static void trip(struct health_target *t, uint64_t now)
{
    uint32_t trips = ADD(t->trips, 1);
    open_for(t, now, (uint64_t)FIRST_COOLDOWN_MS << (trips < MOST_DOUBLINGS ? trips : MOST_DOUBLINGS));
}

static void close_it(struct health_target *t, uint64_t now)
{
    STORE(t->changed_ms, now);
    STORE(t->cools_until, 0);
    STORE(t->probe_until, 0);
    STORE(t->trips, 0);
    STORE(t->bad, 0);
    STORE(t->bad_before, 0);
}

enum health_pick health_pick(struct health_target *t, uint64_t now)
{
    uint64_t until = LOAD(t->cools_until);
    if (until == 0)
        return HEALTH_CLOSED;
    if (until > now)
        return HEALTH_COOLING;
    uint64_t probe = LOAD(t->probe_until);
    if (probe > now || !atomic_compare_exchange_strong(&t->probe_until, &probe, now + PROBE_MS))
        return HEALTH_COOLING;
    return HEALTH_PROBE;
}

uint64_t health_cooling_ms(const struct health_target *t, uint64_t now)
{
    uint64_t until = LOAD(t->cools_until);
    return until > now ? until - now : 0;
}

bool health_is_closed(const struct health_target *t)
{
    return LOAD(t->cools_until) == 0;
}

/* ---- outcomes ---- */

/* Moves the window on when its span has passed; one of the workers does. */
static void slide(struct health_target *t, uint64_t now)
{
    uint64_t span = now / SPAN_MS + 1, old = LOAD(t->window);
    if (old == span || !atomic_compare_exchange_strong(&t->window, &old, span))
        return;
    bool is_next = old + 1 == span;
    STORE(t->good_before, is_next ? LOAD(t->good) : 0);
    STORE(t->bad_before, is_next ? LOAD(t->bad) : 0);
    STORE(t->good, 0);
    STORE(t->bad, 0);
}

static bool is_mostly_bad(const struct health_target *t)
{
    uint64_t bad = (uint64_t)LOAD(t->bad) + LOAD(t->bad_before);
    uint64_t all = bad + LOAD(t->good) + LOAD(t->good_before);
    return all >= LEAST_CALLS && bad * 2 >= all;
}

void health_succeeded(struct health_target *t, uint64_t began, uint64_t now)
{
    if (is_spare(t))
        return;
    slide(t, now);
    ADD(t->good, 1);
    if (LOAD(t->failures))
        STORE(t->failures, 0);
    if (LOAD(t->cools_until) && began >= LOAD(t->opened_ms))
        close_it(t, now);
}

void health_failed(struct health_target *t, uint64_t began, uint64_t now)
{
    if (is_spare(t))
        return;
    slide(t, now);
    ADD(t->bad, 1);
    uint64_t until = LOAD(t->cools_until);
    if (until > 0) {
        if (until <= now && began >= LOAD(t->opened_ms))
            trip(t, now);
        return;
    }
    if (ADD(t->failures, 1) + 1 >= MOST_FAILURES || is_mostly_bad(t))
        trip(t, now);
}

void health_cool(struct health_target *t, uint64_t now, uint64_t ms)
{
    if (!is_spare(t) && ms > 0)
        open_for(t, now, ms < LONGEST_MS ? ms : LONGEST_MS);
}

void health_undecided(struct health_target *t)
{
    if (LOAD(t->probe_until))
        STORE(t->probe_until, 0);
}

/* ---- calls in flight ---- */

void health_began(struct health_target *t, unsigned slot)
{
    ADD(t->busy[slot % HEALTH_SLOTS], 1);
}

void health_ended(struct health_target *t, unsigned slot)
{
    ADD(t->busy[slot % HEALTH_SLOTS], (uint32_t)-1);
}

void health_begin(struct health *h, unsigned slot)
{
    for (int i = 0; i < HEALTH_TARGETS; i++)
        if (LOAD(h->targets[i].busy[slot % HEALTH_SLOTS]))
            STORE(h->targets[i].busy[slot % HEALTH_SLOTS], 0);
}

unsigned health_busy(const struct health_target *t)
{
    uint32_t sum = 0;
    for (int i = 0; i < HEALTH_SLOTS; i++)
        sum += LOAD(t->busy[i]);
    return sum;
}

/* ---- times ---- */

static int bucket_of(uint64_t us)
{
    if (us < 1u << FIRST_OCTAVE)
        return 0;
    int octave = 63 - __builtin_clzll(us);
    int i = (octave - FIRST_OCTAVE) * STEPS + (int)(us >> (octave - STEP_BITS) & (STEPS - 1));
    return i < HEALTH_BUCKETS ? i : HEALTH_BUCKETS - 1;
}

/* The middle of what falls into bucket i. */
static uint32_t middle_of(int i)
{
    uint32_t step = 1u << (i / STEPS + FIRST_OCTAVE - STEP_BITS);
    return (uint32_t)(STEPS + i % STEPS) * step + step / 2;
}

static void halve(struct health_times *times, uint32_t count)
{
    if (!atomic_compare_exchange_strong(&times->count, &count, count / 2))
        return;
    for (int i = 0; i < HEALTH_BUCKETS; i++)
        STORE(times->buckets[i], LOAD(times->buckets[i]) / 2);
}

static void measure(struct health_times *times)
{
    uint64_t sum = 0, below = 0;
    uint32_t p50 = 0, p95 = 0;
    for (int i = 0; i < HEALTH_BUCKETS; i++)
        sum += LOAD(times->buckets[i]);
    for (int i = 0; i < HEALTH_BUCKETS && p95 == 0; i++) {
        below += LOAD(times->buckets[i]);
        if (p50 == 0 && below * 2 >= sum && below > 0)
            p50 = middle_of(i);
        if (below * 20 >= sum * 19 && below > 0)
            p95 = middle_of(i);
    }
    STORE(times->p50_us, p50);
    STORE(times->p95_us, p95);
}

static void observe(struct health_times *times, uint64_t us, uint64_t now)
{
    ADD(times->buckets[bucket_of(us)], 1);
    STORE(times->seen_ms, now);
    uint32_t count = ADD(times->count, 1) + 1;
    if (count >= FULL)
        halve(times, count);
    if (count <= EACH || count % EACH == 0)
        measure(times);
}

void health_first_token(struct health_target *t, uint64_t us, uint64_t now)
{
    if (is_spare(t))
        return;
    uint64_t usual = LOAD(t->first_token.p95_us);
    bool is_slow = LOAD(t->first_token.count) >= LEAST_SAMPLES && us > LEAST_SLOW_US && us > usual * SLOW_FACTOR;
    if (is_slow && ADD(t->slow, 1) + 1 >= MOST_FAILURES && health_is_closed(t))
        trip(t, now);
    if (!is_slow && LOAD(t->slow))
        STORE(t->slow, 0);
    observe(&t->first_token, us, now);
}

void health_duration(struct health_target *t, uint64_t us, uint64_t now)
{
    if (!is_spare(t))
        observe(&t->duration, us, now);
}

uint32_t health_samples(const struct health_times *times)
{
    return LOAD(times->count);
}

uint32_t health_p50(const struct health_times *times)
{
    return LOAD(times->p50_us);
}

uint32_t health_p95(const struct health_times *times)
{
    return LOAD(times->p95_us);
}

bool health_is_stale(const struct health_times *times, uint64_t now)
{
    return LOAD(times->count) == 0 || LOAD(times->seen_ms) + FRESH_MS < now;
}
