#include "trial/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "serve/capture.h"
#include "serve/usage.h"
#include "vm/lines.h"

enum { REPLAY_ARENA = 64 << 20, DECISION_TEXT = 8192 };

struct replay *replay_new(struct generation *g)
{
    struct replay *r = xcalloc(1, sizeof *r);
    r->generation = g;
    r->trial = trial_new(g);
    r->arena = ARENA(REPLAY_ARENA);
    r->changes = xcalloc(REPLAY_CHANGES, sizeof *r->changes);
    return r;
}

void replay_free(struct replay *r)
{
    trial_free(r->trial);
    arena_clear(&r->arena);
    free(r->changes);
    free(r);
}

double replay_percent(const struct replay *r)
{
    return r->replayed ? 100.0 * (double)r->changed / (double)r->replayed : 0;
}

/* ---- what it costs ---- */

static double usd_now(struct replay *r, const struct captured *c)
{
    const struct trial *t = r->trial;
    double usd = 0;
    for (int i = 0; i < t->ask_count; i++)
        if (t->asks[i].op == NULL)
            usd += t->asks[i].reply->usd;
    if (t->has_failed || t->decision.kind != DECIDE_MODELS)
        return usd;
    struct usage u = {.is_known = c->served_usage.is_known};
    memcpy(u.tokens, c->served_usage.tokens, sizeof u.tokens);
    r->cost.unpriced += !t->decision.models[0]->has_price;
    return usd + usage_usd(&u, t->decision.models[0]);
}

static void add_cost(struct replay *r, const struct captured *c, bool is_changed)
{
    r->cost.was_usd += c->usd;
    r->cost.now_usd += is_changed ? usd_now(r, c) : c->usd;
}

/* ---- what changes ---- */

static void put(char *out, size_t size, struct str text)
{
    snprintf(out, size, STR_FMT, (int)(text.len < size ? text.len : size - 1), text.p ? text.p : "");
}

static struct replay_change *change_of(struct replay *r, struct str was, struct str now)
{
    char a[REPLAY_WORDS], b[REPLAY_WORDS];
    put(a, sizeof a, was);
    put(b, sizeof b, now);
    for (int i = 0; i < r->change_count; i++)
        if (strcmp(r->changes[i].was, a) == 0 && strcmp(r->changes[i].now, b) == 0)
            return &r->changes[i];
    if (r->change_count == REPLAY_CHANGES)
        return NULL;
    struct replay_change *c = &r->changes[r->change_count++];
    memcpy(c->was, a, sizeof a);
    memcpy(c->now, b, sizeof b);
    return c;
}

static void add_change(struct replay *r, struct str now)
{
    const struct recorded *rec = &r->recorded;
    const struct trial *t = r->trial;
    struct replay_change *c = change_of(r, rec->decided, now);
    r->changed++;
    if (c == NULL) {
        r->other_changes++;
        return;
    }
    if (c->count++ >= REPLAY_EXAMPLES)
        return;
    struct replay_example *e = &c->examples[c->count - 1];
    const struct manifest *files = r->generation->files;
    put(e->id, sizeof e->id, rec->from->id);
    put(e->was_line, sizeof e->was_line, rec->line);
    put(e->was_reason, sizeof e->was_reason, rec->reason);
    if (t->rule_place)
        snprintf(e->now_line, sizeof e->now_line, "%s/%s:%d", manifest_label(files), manifest_path(files, lines_file(t->rule_place)),
                 lines_line(t->rule_place));
    if (!t->has_failed)
        put(e->now_reason, sizeof e->now_reason, t->decision.reason);
}

static int by_count(const void *a, const void *b)
{
    const struct replay_change *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

void replay_sort(struct replay *r)
{
    qsort(r->changes, (size_t)r->change_count, sizeof *r->changes, by_count);
}

static void compare(struct replay *r)
{
    const struct trial *t = r->trial;
    const struct recorded *rec = &r->recorded;
    static struct buf text = BUF(DECISION_TEXT);
    buf_reset(&text);
    capture_decision(&text, &t->decision, t->has_failed ? &t->err : NULL);
    uint64_t reply = t->has_failed ? 0 : capture_reply_key(&t->decision);
    bool is_changed = !str_same(buf_str(&text), rec->decided) || reply != rec->reply_key;
    r->replayed++;
    r->unrecorded_kv += (uint64_t)rec->unrecorded_kv;
    r->unrecorded_asks += (uint64_t)rec->unrecorded_asks;
    add_cost(r, rec->from, is_changed);
    if (r->each)
        r->each(r->each_arg, rec->from, recorded_weight(rec), rec->decided, buf_str(&text));
    if (is_changed)
        add_change(r, buf_str(&text));
    else if (!t->has_failed && rec->reason.p && !str_same(t->decision.reason, rec->reason))
        r->reworded++;
}

/* ---- one decision ---- */

static bool is_named(const struct recorded *rec, const char *name)
{
    return name == NULL || str_eq(rec->from->route, name);
}

static enum recorded_problem run(struct replay *r, const struct captured *c)
{
    struct recorded *rec = &r->recorded;
    enum recorded_problem problem = recorded_open(rec, c, &r->arena);
    const struct route *route = r->rule ? r->rule : generation_route(r->generation, c->route);
    if (problem != RECORDED_READY)
        return problem;
    if (route == NULL || !is_named(rec, r->only))
        return RECORDED_GONE;
    rec->ask = r->ask;
    rec->ask_arg = r->ask_arg;
    recorded_mount(rec, r->trial);
    trial_run(r->trial, route, c->request);
    r->answered_asks += (uint64_t)rec->answered_asks;
    r->answered_usd += rec->answered_usd;
    if (r->failed_asks == 0 && rec->failed)
        snprintf(r->failed_why, sizeof r->failed_why, "%s: %s: %s", rec->failed->model->id, err_kind_name(rec->failed->err.kind), rec->failed->err.message);
    r->failed_asks += (uint64_t)rec->failed_asks;
    if (r->trial->has_failed && r->trial->err.kind == ERR_BAD_REQUEST)
        return rec->masked ? RECORDED_MASKED : RECORDED_CUT; /* what is left of the body is no request */
    return recorded_verdict(rec);
}

void replay_decision(struct replay *r, const struct captured *c)
{
    arena_reset(&r->arena);
    r->seen++;
    enum recorded_problem problem = run(r, c);
    if (problem == RECORDED_READY)
        compare(r);
    else
        r->skipped[problem]++;
}
