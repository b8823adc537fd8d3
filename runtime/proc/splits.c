#include "proc/splits.h"

#include "base/log.h"
#include "policy/experiments_file.h"

enum { LOOK_MS = 500 };

static void save(struct splits *s)
{
    struct err err;
    uint64_t changes = atomic_load(&s->experiments->changes);
    if (changes == s->saved)
        return;
    s->saved = changes;
    if (experiments_file_save(s->experiments, s->state_dir, &err) < 0)
        log_warn("ramps will not outlive a restart: %s", err.message);
}

static void on_look(void *arg)
{
    struct splits *s = arg;
    save(s);
    timer_set(&s->timer, LOOK_MS);
}

void splits_open(struct splits *s, struct loop *loop)
{
    timer_init(&s->timer, loop, on_look, s);
    on_look(s);
}

void splits_close(struct splits *s)
{
    save(s);
    timer_clear(&s->timer);
}
