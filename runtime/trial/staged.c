#include "trial/staged.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/json.h"
#include "base/near.h"
#include "bind/experiment.h"
#include "trace/lookup.h"
#include "vm/generation.h"

struct staged_kv {
    struct str key, value; /* as the tape has them: "get visits", "n3" */
    bool is_used;
};

/* ---- what the spec says ---- */

static int read_protocol(struct trial *t, struct str json, struct arena *arena, struct err *err)
{
    struct str name = json_text(json, arena);
    t->protocol = PROTOCOL_CHAT;
    if (name.p == NULL)
        return 0;
    for (int i = 0; i <= PROTOCOL_EMBEDDINGS; i++)
        if (str_eq(name, PROTOCOL_NAMES[i])) {
            t->protocol = (enum protocol)i;
            return 0;
        }
    const char *near = near_name(name.p, PROTOCOL_NAMES, PROTOCOL_EMBEDDINGS + 1);
    return err_set(err, ERR_SCRIPT, "no protocol '%s'%s%s%s: chat, messages, responses or embeddings", name.p, near ? " (did you mean '" : "",
                   near ? near : "", near ? "'?)" : "");
}

static int arm_of(const struct experiment_binding *b, struct str name)
{
    for (int i = 0; i < b->source.count; i++)
        if (str_eq(name, b->source.arms[i]))
            return i;
    return -1;
}

static int check_arms(const struct staged *s, struct err *err)
{
    for (struct json_walk w = json_walk(s->arms); json_next(&w);) {
        const struct experiment_binding *b = experiment_named(s->trial->generation->experiments, w.key);
        struct str arm = json_text(w.value, s->arena);
        if (b == NULL)
            return err_set(err, ERR_SCRIPT, "arms: the project has no experiment '" STR_FMT "'", STR_ARG(w.key));
        if (arm_of(b, arm) < 0)
            return err_set(err, ERR_SCRIPT, "arms: experiment '%s' has no arm '" STR_FMT "'", b->source.name, STR_ARG(arm));
    }
    return 0;
}

/* Pairs as the tape has them. */
static int read_kv(struct staged *s, struct str list, struct err *err)
{
    int count = 0;
    if (list.p == NULL)
        return 0;
    for (struct json_walk w = json_walk(list); json_next(&w);)
        count++;
    s->kv = arena_zalloc(s->arena, sizeof *s->kv * (size_t)(count + 1));
    if (s->kv == NULL)
        return err_set(err, ERR_LIMIT, "kv: %d calls are too many", count);
    for (struct json_walk w = json_walk(list); json_next(&w);)
        s->kv[s->kv_count++] = (struct staged_kv){json_text(json_pointer(w.value, "/0"), s->arena), json_text(json_pointer(w.value, "/1"), s->arena), false};
    return 0;
}

/* The number that an id of wye's was made of, else one of its own. */
static uint64_t seed_of(struct str id)
{
    unsigned slot;
    uint64_t number;
    return lookup_id(id, &slot, &number) ? number : XXH3_64bits(id.p, id.len);
}

/* ---- the tape ---- */

static struct str nth(struct str list, int n)
{
    struct str value = {0};
    for (struct json_walk w = json_walk(list); n >= 0 && json_next(&w); n--)
        value = w.value;
    return value; /* the last one stays */
}

static enum tape_answer give_number(struct staged *s, double number, struct str *value)
{
    char *text = arena_printf(&s->trial->arena, "%.0f", number);
    *value = str_of(text ? text : "0");
    return TAPE_GIVEN;
}

static enum tape_answer give_now(struct staged *s, struct str *value)
{
    struct str seconds = json_text(nth(s->now, s->times_seen++), s->arena);
    return seconds.p ? give_number(s, strtod(seconds.p, NULL) * 1e6, value) : TAPE_LIVE;
}

static enum tape_answer give_kv(struct staged *s, struct str key, struct str *value)
{
    for (int i = 0; i < s->kv_count; i++) {
        struct staged_kv *kv = &s->kv[i];
        if (kv->is_used || !str_same(kv->key, key))
            continue;
        kv->is_used = true;
        *value = kv->value;
        return TAPE_GIVEN;
    }
    return s->kv ? TAPE_ABSENT : TAPE_LIVE;
}

static void note_arm(struct staged *s, const struct experiment_binding *b, int arm)
{
    int i = 0;
    while (i < s->took_count && s->took[i].of != b)
        i++;
    if (b == NULL || i == STAGED_EXPERIMENTS)
        return;
    s->took[i].of = b;
    s->took[i].arm = arm;
    s->took_count += i == s->took_count;
}

/* The arm that the spec has set; else the first, unless the request's unit says another. */
static enum tape_answer give_arm(struct staged *s, struct str name, struct str *value)
{
    const struct experiment_binding *b = experiment_named(s->trial->generation->experiments, name);
    for (struct json_walk w = json_walk(s->arms); json_next(&w);)
        if (str_same(w.key, name)) {
            *value = json_text(w.value, s->arena);
            note_arm(s, b, arm_of(b, *value));
            return TAPE_GIVEN;
        }
    note_arm(s, b, 0);
    return TAPE_LIVE;
}

static enum tape_answer give_p95(struct staged *s, struct str model, struct str *value)
{
    for (struct json_walk w = json_walk(s->p95); json_next(&w);)
        if (str_same(w.key, model)) {
            *value = w.value;
            return TAPE_GIVEN;
        }
    return TAPE_LIVE;
}

static enum tape_answer take(struct tape *tape, enum tape_kind kind, struct str key, struct str *value)
{
    struct staged *s = (struct staged *)tape;
    switch (kind) {
    case TAPE_NOW: return give_now(s, value);
    case TAPE_CLOCK: return give_number(s, s->ms * 1e6, value);
    case TAPE_KV: return give_kv(s, key, value);
    case TAPE_P95: return give_p95(s, key, value);
    case TAPE_ARM: return give_arm(s, key, value);
    default: return TAPE_LIVE;
    }
}

static void put(struct tape *tape, enum tape_kind kind, struct str key, struct str value)
{
    struct staged *s = (struct staged *)tape;
    const struct experiment_binding *b = kind == TAPE_ARM ? experiment_named(s->trial->generation->experiments, key) : NULL;
    if (b)
        note_arm(s, b, arm_of(b, value));
}

/* ---- time ---- */

void staged_answered(struct staged *s, const struct trial_ask *ask, struct str answer)
{
    struct staged_end *end = &s->of_ask[ask - s->trial->asks];
    double at;
    *end = (struct staged_end){.ms = s->ms + ask->reply->ms};
    if (json_is_true(json_get(answer, "never")))
        end->ms = INFINITY;
    else if (json_number(json_get(answer, "at"), &at))
        *end = (struct staged_end){at, true};
}

static void start_pause(struct staged *s, const struct trial_pause *pause, int n)
{
    struct str given = {0};
    struct staged_end *end = &s->of_pause[n];
    for (struct json_walk w = json_walk(s->waits); n >= 0 && json_next(&w); n--)
        given = n == 0 ? w.value : given;
    *end = (struct staged_end){.ms = s->ms + pause->ms};
    if (given.p && (end->is_given = json_number(given, &end->ms)) == false)
        end->ms = INFINITY;
}

/* When what was started since the last look will end. */
static void look(struct staged *s)
{
    struct trial *t = s->trial;
    for (; s->asks_seen < t->ask_count; s->asks_seen++) {
        struct trial_ask *a = &t->asks[s->asks_seen];
        s->of_ask[s->asks_seen] = (struct staged_end){.ms = s->ms + 1};
        if (s->asks_seen < TRIAL_ASKS)
            t->answer(t, a);
        else
            trial_fault(a->reply, ERR_LIMIT);
    }
    for (; s->pauses_seen < t->pause_count; s->pauses_seen++)
        start_pause(s, &t->pauses[s->pauses_seen], s->pauses_seen);
}

static struct op *next(struct trial *t, bool is_joined)
{
    struct staged *s = (struct staged *)t->scope.tape;
    struct op **soonest = NULL;
    struct staged_end end = {.ms = INFINITY};
    look(s);
    for (int i = 0; i < t->ask_count; i++)
        if (t->asks[i].op && s->of_ask[i].ms < end.ms) {
            soonest = &t->asks[i].op;
            end = s->of_ask[i];
        }
    for (int i = 0; i < t->pause_count; i++)
        if (t->pauses[i].op && s->of_pause[i].ms < end.ms) {
            soonest = &t->pauses[i].op;
            end = s->of_pause[i];
        }
    if (soonest == NULL || (is_joined && !(end.is_given && end.ms == s->ms)))
        return NULL;
    struct op *op = *soonest;
    *soonest = NULL;
    s->ms = fmax(s->ms, end.ms);
    return op;
}

/* ---- the run ---- */

void staged_prepare(struct staged *s)
{
    struct trial *t = s->trial;
    t->scope.tape = &s->tape;
    if (s->id.len) {
        t->scope.view.id = s->id.p;
        t->scope.seed = seed_of(s->id);
    }
}

int staged_open(struct staged *s, struct trial *t, struct str call, struct arena *arena, struct err *err)
{
    static const struct str NAMES[] = {STR("id"), STR("now"),     STR("waits"),    STR("p95"),   STR("arms"),
                                       STR("kv"), STR("headers"), STR("protocol"), STR("shadow")};
    enum { ID, NOW, WAITS, P95, ARMS, KV, HEADERS, PROTOCOL, SHADOW, COUNT };
    struct str values[COUNT];
    int64_t shadow = 0;
    json_get_many(call, NAMES, values, COUNT);
    *s = (struct staged){.tape = {.take = take, .put = put}, .trial = t, .arena = arena, .now = values[NOW], .waits = values[WAITS], .p95 = values[P95], .arms = values[ARMS]};
    s->id = json_text(values[ID], arena);
    if (read_protocol(t, values[PROTOCOL], arena, err) < 0 || check_arms(s, err) < 0 || read_kv(s, values[KV], err) < 0)
        return -1;
    json_integer(values[SHADOW], &shadow);
    trial_head(&s->head, t->protocol, values[HEADERS], arena);
    t->head = &s->head;
    t->shadow = (int)shadow;
    t->next = next;
    return 0;
}

void staged_tell(const struct staged *s, struct buf *out)
{
    buf_putc(out, '[');
    for (int i = 0; i < s->took_count; i++) {
        const struct experiment_source *source = &s->took[i].of->source;
        buf_printf(out, "%s{\"name\":\"%s\",\"arm\":\"%s\",\"arms\":[", i ? "," : "", source->name, source->arms[s->took[i].arm]);
        for (int k = 0; k < source->count; k++)
            buf_printf(out, "%s\"%s\"", k ? "," : "", source->arms[k]);
        buf_puts(out, "]}");
    }
    buf_putc(out, ']');
}
