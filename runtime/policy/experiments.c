#include "policy/experiments.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { MAX_UNIT = 80 };

static const char *const ORIGINS[] = {
#define X(name, text) text,
    SPLIT_ORIGINS(X)
#undef X
};

const char *split_origin_name(enum split_origin origin)
{
    return ORIGINS[origin];
}

void experiments_init(struct experiments *e)
{
    lock_init(&e->lock);
}

struct experiment *experiments_at(struct experiments *e, int i)
{
    return atomic_load_explicit(&e->slots[i].is_used, memory_order_acquire) ? &e->slots[i] : NULL;
}

static struct experiment *find(struct experiments *e, const char *name, const char *salt)
{
    for (int i = 0; i < EXPERIMENTS_MOST; i++) {
        struct experiment *x = experiments_at(e, i);
        if (x && strcmp(x->name, name) == 0 && strcmp(x->salt, salt) == 0)
            return x;
    }
    return NULL;
}

struct experiment *experiments_find(struct experiments *e, const char *name)
{
    struct experiment *newest = NULL;
    for (int i = 0; i < EXPERIMENTS_MOST; i++) {
        struct experiment *x = experiments_at(e, i);
        if (x && strcmp(x->name, name) == 0 && (newest == NULL || x->seen_us > newest->seen_us))
            newest = x;
    }
    return newest;
}

/* ---- arms ---- */

static int arm_at(const struct experiment *x, const char *name)
{
    for (int i = 0; i < x->count; i++)
        if (strcmp(x->arms[i], name) == 0)
            return i;
    return -1;
}

static bool has_arm(const struct experiment_source *s, const char *name)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->arms[i], name) == 0)
            return true;
    return false;
}

/* A salt that has dealt nothing yet. */
static const char *free_salt(struct experiments *e, const struct experiment_source *s, char *out, size_t size)
{
    int n = 2;
    do
        snprintf(out, size, "%s-%d", s->name, n++);
    while (find(e, s->name, out));
    return out;
}

static int refuse(struct experiments *e, const struct experiment_source *s, const char *what, struct err *err)
{
    char salt[EXPERIMENT_NAME + 8];
    return err_set(err, ERR_BAD_REQUEST,
                   "experiment '%s': %s under one name and salt, which would move units between arms: give it another name, "
                   "or a salt of its own (salt = \"%s\")",
                   s->name, what, free_salt(e, s, salt, sizeof salt));
}

static int refuse_arm(struct experiments *e, const struct experiment_source *s, const char *arm, const char *change, struct err *err)
{
    char what[EXPERIMENT_ARM_NAME + 32];
    snprintf(what, sizeof what, "arm '%s' was %s", arm, change);
    return refuse(e, s, what, err);
}

static struct str unit_of(const char *design)
{
    return json_plain(json_get(str_of(design), "unit"));
}

/* Another unit is dealt by the same hash, and the arms of users and of requests would be counted as one. */
static int compare_units(struct experiments *e, const struct experiment *x, const struct experiment_source *s, struct err *err)
{
    struct str was = unit_of(x->design), is = unit_of(s->design);
    char what[2 * MAX_UNIT + 32];
    if (was.p == NULL || is.p == NULL || str_same(was, is))
        return 0;
    snprintf(what, sizeof what, "its unit was '%.*s' and is '%.*s'", (int)was.len, was.p, (int)is.len, is.p);
    return refuse(e, s, what, err);
}

static int compare(struct experiments *e, const struct experiment *x, const struct experiment_source *s, struct err *err)
{
    for (int i = 0; i < s->count; i++)
        if (arm_at(x, s->arms[i]) < 0)
            return refuse_arm(e, s, s->arms[i], "added", err);
    for (int i = 0; i < x->count; i++)
        if (!has_arm(s, x->arms[i]))
            return refuse_arm(e, s, x->arms[i], "removed", err);
    for (int i = 0; i < s->count; i++)
        if (strcmp(x->arms[i], s->arms[i]) != 0)
            return refuse_arm(e, s, s->arms[i], "reordered", err);
    return compare_units(e, x, s, err);
}

int experiments_check(struct experiments *e, const struct experiment_source *source, struct err *err)
{
    const struct experiment *x = find(e, source->name, source->salt);
    return x ? compare(e, x, source, err) : 0;
}

/* ---- places ---- */

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

static void put(struct experiment *x, const struct split *split)
{
    unsigned next = atomic_load(&x->split) + 1;
    x->splits[next % EXPERIMENT_SPLITS] = *split;
    atomic_store_explicit(&x->split, next, memory_order_release);
}

static void put_source(struct experiment *x, const struct experiment_source *s, uint64_t now_us)
{
    struct split split = {.since_us = now_us, .origin = SPLIT_SOURCE};
    memcpy(x->source, s->weights, sizeof x->source);
    memcpy(split.weights, s->weights, sizeof split.weights);
    put(x, &split);
}

static void fill(struct experiment *x, const struct experiment_source *s, uint64_t now_us)
{
    copy(x->name, sizeof x->name, s->name);
    copy(x->salt, sizeof x->salt, s->salt);
    copy(x->design, sizeof x->design, s->design);
    x->count = s->count;
    for (int i = 0; i < s->count; i++)
        copy(x->arms[i], sizeof x->arms[i], s->arms[i]);
    put_source(x, s, now_us);
    atomic_store(&x->seen_us, now_us);
    atomic_store_explicit(&x->is_used, 1, memory_order_release);
}

static struct experiment *free_place(struct experiments *e)
{
    for (int i = 0; i < EXPERIMENTS_MOST; i++)
        if (experiments_at(e, i) == NULL)
            return &e->slots[i];
    return NULL;
}

struct experiment *experiments_restore(struct experiments *e, const struct experiment_source *source, uint64_t seen_us)
{
    struct experiment *x = free_place(e);
    if (x)
        fill(x, source, seen_us);
    return x;
}

static bool are_same(const double *a, const double *b, int count)
{
    for (int i = 0; i < count; i++)
        if (a[i] - b[i] > 1e-9 || b[i] - a[i] > 1e-9)
            return false;
    return true;
}

/* The weights of the source hold when they are new; a ramp stays when they are those that it began from. */
static bool refresh(struct experiment *x, const struct experiment_source *s, uint64_t now_us)
{
    bool is_new = !are_same(x->source, s->weights, s->count), is_redesigned = strcmp(x->design, s->design) != 0;
    if (is_new)
        put_source(x, s, now_us);
    if (is_redesigned)
        copy(x->design, sizeof x->design, s->design);
    atomic_store(&x->seen_us, now_us);
    return is_new || is_redesigned;
}

struct experiment *experiments_use(struct experiments *e, const struct experiment_source *source, uint64_t now_us)
{
    lock_take(&e->lock);
    struct experiment *x = find(e, source->name, source->salt);
    bool is_changed = x == NULL;
    if (x == NULL)
        x = experiments_restore(e, source, now_us);
    else if (compare(e, x, source, NULL) == 0)
        is_changed = refresh(x, source, now_us);
    else
        x = NULL;
    if (is_changed)
        atomic_fetch_add(&e->changes, 1);
    lock_drop(&e->lock);
    return x;
}

/* ---- splits ---- */

struct split experiment_split(const struct experiment *x)
{
    return x->splits[atomic_load_explicit(&x->split, memory_order_acquire) % EXPERIMENT_SPLITS];
}

void experiment_set(struct experiments *e, struct experiment *x, const struct split *split)
{
    lock_take(&e->lock);
    put(x, split);
    atomic_fetch_add(&e->changes, 1);
    lock_drop(&e->lock);
}

bool experiment_moves_back(const struct experiment *x, const struct split *before, const struct split *after)
{
    double old = 0, new = 0;
    for (int i = 0; i < x->count - 1; i++) {
        old += before->weights[i];
        new += after->weights[i];
        if (new > old + 1e-12)
            return true;
    }
    return false;
}
