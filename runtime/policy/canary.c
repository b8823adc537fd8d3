#include "policy/canary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "policy/assign.h"

enum { HASH_BITS = 60, FEWEST_ERRORS = 5 };

static const double CHANCE = 3; /* standard errors */

const struct canary_guard CANARY_GUARD = {.script_errors = 2, .errors = 2, .latency = 50, .cost = 50, .requests = 50};

/* ---- the split ---- */

static void empty(struct canary_side *s)
{
    atomic_store(&s->requests, 0);
    atomic_store(&s->script_errors, 0);
    atomic_store(&s->errors, 0);
    atomic_store(&s->served, 0);
    atomic_store(&s->usd, 0);
    atomic_store(&s->usd_squared, 0);
    for (int i = 0; i < CANARY_TIMES; i++)
        atomic_store(&s->times[i], 0);
}

void canary_set(struct canary *c, unsigned generation, const char *hash, double share)
{
    if (canary_generation(atomic_load(&c->split)) != generation) {
        char digits[CANARY_SALT + 1];
        snprintf(digits, sizeof digits, "%s", hash);
        atomic_store(&c->split, 0);
        atomic_fetch_add(&c->number, 1);
        atomic_store(&c->salt, strtoull(digits, NULL, 16));
        empty(&c->sides[0]);
        empty(&c->sides[1]);
    }
    double units = ceil(share * 0x1p32);
    uint64_t most = units < 1 ? 0 : units > 0x1p32 ? UINT32_MAX : (uint64_t)units - 1;
    atomic_store(&c->split, (uint64_t)generation << 32 | most);
}

void canary_clear(struct canary *c)
{
    atomic_store(&c->split, 0);
}

bool canary_takes(const struct canary *c, uint64_t split, struct str unit)
{
    char salt[CANARY_SALT + 1];
    snprintf(salt, sizeof salt, "%016llx", (unsigned long long)atomic_load(&c->salt));
    uint32_t place = (uint32_t)(assign_hash(str_of(salt), unit) >> (HASH_BITS - 32));
    return place >= UINT32_MAX - (uint32_t)split;
}

/* ---- counting ---- */

/* Eight steps an octave. */
static int time_index(uint64_t us)
{
    if (us < 8)
        return (int)us;
    int octave = 63 - __builtin_clzll(us), i = (octave - 2) * 8 + (int)(us >> (octave - 3) & 7);
    return i < CANARY_TIMES ? i : CANARY_TIMES - 1;
}

/* The least time of the step. */
static uint64_t time_at(int i)
{
    return i < 8 ? (uint64_t)i : (uint64_t)(8 + i % 8) << (i / 8 - 1);
}

static void add(_Atomic double *sum, double x)
{
    double before = atomic_load_explicit(sum, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(sum, &before, before + x))
        ;
}

void canary_count(struct canary_side *s, const struct canary_outcome *o)
{
    atomic_fetch_add(&s->script_errors, o->is_script_error);
    atomic_fetch_add(&s->errors, o->is_error);
    if (o->usd > 0) {
        add(&s->usd, o->usd);
        add(&s->usd_squared, o->usd * o->usd);
    }
    if (o->is_served) {
        atomic_fetch_add(&s->served, 1);
        atomic_fetch_add(&s->times[time_index(o->us)], 1);
    }
    atomic_fetch_add(&s->requests, 1); /* last: who reads it has the rest */
}

void canary_read(const struct canary_side *s, struct canary_tally *t)
{
    *t = (struct canary_tally){.requests = atomic_load(&s->requests)};
    t->script_errors = atomic_load(&s->script_errors);
    t->errors = atomic_load(&s->errors);
    t->served = atomic_load(&s->served);
    t->usd = atomic_load(&s->usd);
    t->usd_squared = atomic_load(&s->usd_squared);
    for (int i = 0; i < CANARY_TIMES; i++)
        t->times[i] = atomic_load(&s->times[i]);
}

void canary_since(struct canary_tally *now, const struct canary_tally *before)
{
    now->requests -= before->requests;
    now->script_errors -= before->script_errors;
    now->errors -= before->errors;
    now->served -= before->served;
    now->usd -= before->usd;
    now->usd_squared -= before->usd_squared;
    for (int i = 0; i < CANARY_TIMES; i++)
        now->times[i] -= before->times[i];
}

/* How many served requests took at least as long as step i. */
static uint64_t count_from(const struct canary_tally *t, int i)
{
    uint64_t n = 0;
    for (; i < CANARY_TIMES; i++)
        n += t->times[i];
    return n;
}

uint64_t canary_p95(const struct canary_tally *t)
{
    uint64_t total = count_from(t, 0), below = 0;
    for (int i = 0; i < CANARY_TIMES; i++)
        if ((below += t->times[i]) * 100 >= total * 95 && total > 0)
            return time_at(i + 1);
    return 0;
}

/* ---- the guard ---- */

static const char *const GUARDS[] = {"script_errors", "errors", "latency", "cost", "requests"};
enum { GUARD_COUNT = sizeof GUARDS / sizeof *GUARDS };

static int set_guard(struct canary_guard *g, const char *name, const char *value, struct err *err)
{
    char *end;
    double *places[] = {&g->script_errors, &g->errors, &g->latency, &g->cost};
    double x = strcmp(value, "off") == 0 ? -1 : strtod(value, &end);
    for (int i = 0; i < GUARD_COUNT; i++) {
        if (strcmp(name, GUARDS[i]) != 0)
            continue;
        bool is_count = i == GUARD_COUNT - 1;
        if (x >= 0 ? *end != '\0' || end == value || x > 1e6 || (is_count && x < 1) : is_count || strcmp(value, "off") != 0)
            return err_set(err, ERR_BAD_REQUEST, "guard %s=%s: %s", name, value,
                           is_count ? "a number of requests, 1 at least" : "a number from 0 to 1000000, or off");
        if (is_count)
            g->requests = (uint64_t)x;
        else
            *places[i] = x;
        return 0;
    }
    const char *near = near_name(name, GUARDS, GUARD_COUNT);
    return err_set(err, ERR_BAD_REQUEST, "there is no guard '%s'%s%s%s: script_errors, errors, latency, cost, requests", name,
                   near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

int canary_guard_parse(const char *text, struct canary_guard *guard, struct err *err)
{
    char copy[256], *rest = copy;
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
        return err_set(err, ERR_BAD_REQUEST, "the guard is over %d bytes", (int)sizeof copy - 1);
    for (char *one; (one = strsep(&rest, ",")) != NULL;) {
        char *equals = strchr(one, '=');
        if (equals == NULL)
            return err_set(err, ERR_BAD_REQUEST, "guard '%s': write it NAME=NUMBER, such as latency=50", one);
        *equals = '\0';
        if (set_guard(guard, one, equals + 1, err) < 0)
            return -1;
    }
    return 0;
}

static double share_of(uint64_t some, uint64_t all)
{
    return all ? (double)some / (double)all : 0;
}

/* Is a - b more than chance gives, were both drawn from what they are together? The normal approximation needs some. */
static bool is_no_chance(uint64_t a, uint64_t of_a, uint64_t b, uint64_t of_b)
{
    double p = share_of(a + b, of_a + of_b), most = of_b ? 1.0 / (double)of_b : 0;
    double error = sqrt(p * (1 - p) * (1.0 / (double)of_a + most));
    return share_of(a, of_a) - share_of(b, of_b) > CHANCE * error && a >= FEWEST_ERRORS;
}

static bool is_rate_worse(double points, uint64_t a, uint64_t of_a, uint64_t b, uint64_t of_b)
{
    return points >= 0 && 100 * (share_of(a, of_a) - share_of(b, of_b)) > points;
}

/* Of requests over the allowed time 5 % are to be expected. */
static bool is_slower(double percent, const struct canary_tally *live, const struct canary_tally *canary)
{
    double allowed = (double)canary_p95(live) * (1 + percent / 100);
    double over = share_of(count_from(canary, time_index((uint64_t)allowed) + 1), canary->served);
    return over > 0.05 + CHANCE * sqrt(0.05 * 0.95 / (double)canary->served);
}

static double mean_usd(const struct canary_tally *t)
{
    return t->requests ? t->usd / (double)t->requests : 0;
}

static double variance_of_mean(const struct canary_tally *t)
{
    double mean = mean_usd(t), n = (double)t->requests, v = t->usd_squared / n - mean * mean;
    return v > 0 ? v / n : 0;
}

static bool is_dearer(double percent, const struct canary_tally *live, const struct canary_tally *canary)
{
    double more = mean_usd(canary) - mean_usd(live) * (1 + percent / 100);
    return more > 1e-12 && mean_usd(canary) - mean_usd(live) > CHANCE * sqrt(variance_of_mean(live) + variance_of_mean(canary));
}

bool canary_is_worse(const struct canary_guard *g, const struct canary_tally *live, const struct canary_tally *canary, char *why, size_t size)
{
    uint64_t n = canary->requests, m = live->requests;
    if (n < g->requests)
        return false;
    bool has_both = live->served >= g->requests && canary->served >= g->requests;
    if (is_rate_worse(g->script_errors, canary->script_errors, n, live->script_errors, m))
        snprintf(why, size, "script errors in %.1f %% of %llu requests, %.1f %% of %llu on the live one", 100 * share_of(canary->script_errors, n),
                 (unsigned long long)n, 100 * share_of(live->script_errors, m), (unsigned long long)m);
    else if (is_rate_worse(g->errors, canary->errors, n, live->errors, m) && is_no_chance(canary->errors, n, live->errors, m))
        snprintf(why, size, "errors in %.1f %% of %llu requests, %.1f %% of %llu on the live one", 100 * share_of(canary->errors, n),
                 (unsigned long long)n, 100 * share_of(live->errors, m), (unsigned long long)m);
    else if (g->latency >= 0 && has_both && is_slower(g->latency, live, canary))
        snprintf(why, size, "p95 of %.1f ms over %llu requests, %.1f ms over %llu on the live one", (double)canary_p95(canary) / 1e3,
                 (unsigned long long)canary->served, (double)canary_p95(live) / 1e3, (unsigned long long)live->served);
    else if (g->cost >= 0 && has_both && is_dearer(g->cost, live, canary))
        snprintf(why, size, "%.3g US dollars a request over %llu requests, %.3g over %llu on the live one", mean_usd(canary),
                 (unsigned long long)n, mean_usd(live), (unsigned long long)m);
    else
        return false;
    return true;
}
