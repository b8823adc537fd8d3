#include "trial/cast.h"

#include <xxhash.h>

#include "bind/experiment.h"
#include "vm/generation.h"

/* A copy of the present one, for the caller to change; NULL when there are too many. */
static struct cast *add(struct casts *c)
{
    if (c->count == CASTS) {
        c->is_cut = true;
        return NULL;
    }
    c->all[c->count] = *casts_now(c);
    c->all[c->count].is_done = false;
    return &c->all[c->count++];
}

static int index_of(const struct cast *cast, const struct experiment_binding *b)
{
    int i = 0;
    while (i < cast->count && cast->arms[i].of != b)
        i++;
    return i;
}

/* Takes the first arm; the others become casts. What the route meets on its way to a shadow is no matter of the shadow. */
static void meet(struct casts *c, const struct experiment_binding *b)
{
    struct cast *now = casts_now(c);
    for (int arm = 1; arm < b->source.count; arm++) {
        struct cast *other = add(c);
        if (other) {
            other->arms[other->count].of = b;
            other->arms[other->count++].arm = arm;
        }
    }
    now->arms[now->count].of = b;
    now->arms[now->count++].arm = 0;
}

static enum tape_answer take(struct tape *tape, enum tape_kind kind, struct str key, struct str *value)
{
    struct casts *c = (struct casts *)tape;
    struct cast *now = casts_now(c);
    const struct experiment_binding *b = kind == TAPE_ARM ? experiment_named(c->trial->generation->experiments, key) : NULL;
    if (b == NULL)
        return TAPE_LIVE;
    int i = index_of(now, b), arm = 0;
    bool is_on_its_way = now->shadow && !c->trial->is_shadow;
    if (i == now->count && now->count < CAST_ARMS && !is_on_its_way)
        meet(c, b);
    if (i < now->count) {
        c->taken |= is_on_its_way ? 0 : 1u << i;
        arm = now->arms[i].arm;
    }
    *value = str_of(b->source.arms[arm]);
    return TAPE_GIVEN;
}

void casts_begin(struct casts *c, struct trial *t)
{
    *c = (struct casts){.tape = {.take = take}, .trial = t, .count = 1};
}

struct tape *casts_tape(struct casts *c)
{
    c->taken = 0;
    return &c->tape;
}

/* One that every arm has is looked at once. */
static void look_at_shadow(struct casts *c)
{
    struct cast *now = casts_now(c);
    if (now->place || !c->trial->is_shadow)
        return;
    now->place = XXH3_64bits(c->trial->shadow_where.p, c->trial->shadow_where.len) | 1;
    for (int i = 0; i < c->at; i++)
        now->is_done |= c->all[i].place == now->place;
}

void casts_look(struct casts *c)
{
    struct cast *now = casts_now(c);
    if (now->shadow) {
        look_at_shadow(c);
        return;
    }
    for (; now->shadows < c->trial->shadow_calls && now->shadows < CAST_SHADOWS; now->shadows++) {
        struct cast *other = add(c);
        if (other)
            other->shadow = now->shadows + 1;
    }
}

void casts_tell(const struct casts *c, struct buf *out)
{
    const struct cast *now = &c->all[c->at];
    const char *before = "in";
    if (now->shadow) {
        buf_printf(out, "in the shadow of " STR_FMT, STR_ARG(c->trial->shadow_where));
        before = ", in";
    }
    for (int i = 0; i < now->count; i++) {
        if (!(c->taken & 1u << i))
            continue;
        buf_printf(out, "%s arm %s of %s", before, now->arms[i].of->source.arms[now->arms[i].arm], now->arms[i].of->source.name);
        before = " and";
    }
}
