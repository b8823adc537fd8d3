#include "proc/warm.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"

void warm_open(struct warm_table *t)
{
    *t = (struct warm_table){0};
    for (int i = 0; i < WARM_MOST; i++)
        t->all[i].memory = -1;
}

void warm_close(struct warm_table *t)
{
    for (int i = 0; i < WARM_MOST; i++)
        if (t->all[i].id)
            warm_forget(&t->all[i]);
}

static struct warm *find(struct warm_table *t, unsigned id)
{
    for (int i = 0; i < WARM_MOST; i++)
        if (t->all[i].id == id)
            return &t->all[i];
    return NULL;
}

struct warm *warm_find(struct warm_table *t, unsigned id)
{
    return id ? find(t, id) : NULL;
}

struct warm *warm_same(struct warm_table *t, const char *hash)
{
    for (int i = 0; i < WARM_MOST; i++)
        if (t->all[i].id && !t->all[i].is_quarantined && strcmp(t->all[i].hash, hash) == 0)
            return &t->all[i];
    return NULL;
}

void warm_touch(struct warm_table *t, struct warm *w)
{
    w->touched = ++t->touches;
}

struct warm *warm_add(struct warm_table *t, const struct loader_result *result, int memory)
{
    struct warm *w = find(t, 0); /* there is one: warm_surplus is forgotten after every change */
    *w = (struct warm){.id = ++t->newest, .files = result->files, .memory = memory, .loaded_us = clock_wall_us()};
    memcpy(w->hash, result->hash, sizeof w->hash);
    w->otlp = result->otlp;
    warm_touch(t, w);
    return w;
}

void warm_forget(struct warm *w)
{
    close(w->memory);
    *w = (struct warm){.memory = -1};
}

struct warm *warm_surplus(struct warm_table *t, unsigned live, unsigned coming, unsigned canary)
{
    struct warm *oldest = NULL;
    int older = 0;
    for (int i = 0; i < WARM_MOST; i++) {
        struct warm *w = &t->all[i];
        if (!w->id || w->id == live || w->id == coming)
            continue;
        older++;
        if (w->id == canary)
            continue;
        if (!oldest || w->touched < oldest->touched)
            oldest = w;
    }
    return older > WARM_OLDER ? oldest : NULL;
}

struct tally warm_tally(const struct stats_board *board, unsigned id)
{
    struct tally t = {0};
    unsigned at = id % STATS_GENERATIONS;
    for (unsigned i = 0; i < atomic_load(&board->workers); i++) {
        const struct stats_slot *s = &board->slots[i];
        if (atomic_load(&s->generations[at].id) != id)
            continue;
        t.requests += atomic_load(&s->generations[at].requests);
        t.script_errors += atomic_load(&s->generations[at].script_errors);
    }
    return t;
}
