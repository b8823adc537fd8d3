#include "trial/recorded.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bind/req.h"
#include "serve/capture.h"
#include "serve/mask.h"

enum { STEP_ASK = TAPE_KIND_COUNT, STEP_SLEEP, STEP_OTHER };

#define NEVER UINT64_MAX

_Static_assert((int)CAPTURED_BUCKETS == (int)PRICE_BUCKETS, "the buckets of usage");

struct recorded_step {
    const struct captured_step *was;
    int kind;     /* enum tape_kind, or one of the above */
    uint64_t key; /* of an ask */
    bool is_used;
};

static const char *const WORDS[RECORDED_PROBLEM_COUNT][2] = {
#define X(name, word, text) {word, text},
    RECORDED_PROBLEMS(X)
#undef X
};

double recorded_weight(const struct recorded *r)
{
    double weight = r->from->weight;
    for (int i = 0; i < r->count; i++)
        if (r->steps[i].kind == TAPE_ARM && r->steps[i].is_used && r->steps[i].was->p > 0)
            weight *= r->steps[i].was->p;
    return weight;
}

const char *recorded_word(enum recorded_problem p)
{
    return WORDS[p][0];
}

const char *recorded_words(enum recorded_problem p)
{
    return WORDS[p][1];
}

/* ---- reading ---- */

static int kind_of(struct str name)
{
    static const char *const NAMES[] = {
#define X(name, text) text,
        TAPE_KINDS(X)
#undef X
        "ask", "sleep"};
    for (int i = 0; i < STEP_OTHER; i++)
        if (str_eq(name, NAMES[i]))
            return i;
    return STEP_OTHER;
}

static uint64_t key_of(struct str text)
{
    char digits[20];
    snprintf(digits, sizeof digits, STR_FMT, STR_ARG(text));
    return strtoull(digits, NULL, 16);
}

static void read_decided(struct recorded *r, const struct captured_step *step)
{
    r->decided = step->value;
    r->reason = step->reason;
    r->line = step->line;
    r->reply_key = step->key.p ? key_of(step->key) : 0;
}

static void read_steps(struct recorded *r, struct arena *arena)
{
    const struct captured *c = r->from;
    r->steps = arena_need(arena, sizeof *r->steps * (size_t)(c->step_count + 1));
    for (int i = 0; i < c->step_count; i++) {
        const struct captured_step *step = &c->steps[i];
        int kind = kind_of(step->kind);
        if (str_eq(step->kind, "decided"))
            read_decided(r, step);
        else
            r->steps[r->count++] = (struct recorded_step){step, kind, kind == STEP_ASK ? key_of(step->key) : 0, false};
    }
}

/* Which fields of req show what stands in a member of the body. */
static uint32_t shown_by(const char *mask)
{
    static const struct {
        const char *member;
        uint32_t fields;
    } SHOWS[] = {
        {"messages", 1u << REQ_PROMPT | 1u << REQ_MESSAGES},
        {"input", 1u << REQ_PROMPT | 1u << REQ_MESSAGES},
        {"system", 1u << REQ_MESSAGES},
        {"instructions", 1u << REQ_MESSAGES},
        {"metadata", 1u << REQ_METADATA | 1u << REQ_CONVERSATION},
        {"user", 1u << REQ_USER},
        {"safety_identifier", 1u << REQ_USER},
        {"prompt_cache_key", 1u << REQ_CONVERSATION},
        {"tools", 1u << REQ_TOOLS | 1u << REQ_HAS_TOOLS},
        {"model", 1u << REQ_MODEL},
        {"stream", 1u << REQ_STREAM},
    };
    uint32_t fields = 0;
    for (size_t i = 0; i < sizeof SHOWS / sizeof *SHOWS; i++)
        if (mask_touches(mask, SHOWS[i].member))
            fields |= SHOWS[i].fields;
    return fields;
}

static void read_masks(struct recorded *r)
{
    char mask[512];
    for (int i = 0; i < r->from->mask_count; i++) {
        snprintf(mask, sizeof mask, STR_FMT, STR_ARG(r->from->masks[i]));
        r->masked |= shown_by(mask);
    }
}

/* Their text says what ended them; on another machine, or another day, they might have gone on. */
static bool was_ended(struct str decided)
{
    return str_starts(decided, "script_error") && decided.p &&
           (memmem(decided.p, decided.len, ": ran longer than ", 18) || memmem(decided.p, decided.len, ": outgrew its memory", 20));
}

enum recorded_problem recorded_open(struct recorded *r, const struct captured *c, struct arena *arena)
{
    r->tape = (struct tape){0};
    r->from = c;
    r->count = 0;
    r->masked = 0;
    r->decided = r->reason = r->line = str_n(NULL, 0);
    r->reply_key = 0;
    r->ask = NULL;
    if (c->request.p == NULL)
        return RECORDED_NOT_CAPTURED;
    if (c->route.p == NULL)
        return RECORDED_NO_ROUTE;
    read_steps(r, arena);
    if (r->decided.p == NULL)
        return c->is_cut ? RECORDED_CUT : RECORDED_UNDECIDED;
    if (c->is_cut || c->protocol < PROTOCOL_CHAT || c->protocol > PROTOCOL_EMBEDDINGS || str_starts(c->request, "\"") || json_type(c->headers) != JSON_OBJECT || json_validate(c->headers, NULL) < 0)
        return RECORDED_CUT;
    if (was_ended(r->decided))
        return RECORDED_ENDED;
    trial_head(&r->head, (enum protocol)c->protocol, c->headers, arena);
    read_masks(r);
    return RECORDED_READY;
}

/* ---- the tape ---- */

/* Clocks always have an answer: where the recorded ones are used up, it is as late as what happened last. */
static enum tape_answer give_time(struct recorded *r, enum tape_kind kind, struct str *value)
{
    uint64_t us = kind == TAPE_NOW ? r->from->began_us + r->now_us : r->now_us * 1000;
    char *text = arena_printf(&r->trial->arena, "%" PRIu64, us);
    *value = str_of(text ? text : "0");
    return TAPE_GIVEN;
}

static enum tape_answer take(struct tape *tape, enum tape_kind kind, struct str key, struct str *value)
{
    struct recorded *r = (struct recorded *)tape;
    for (int i = 0; i < r->count; i++) {
        struct recorded_step *s = &r->steps[i];
        if (s->is_used || s->kind != (int)kind || !str_same(s->was->key, key))
            continue;
        s->is_used = true;
        *value = s->was->value;
        return TAPE_GIVEN;
    }
    if (kind == TAPE_NOW || kind == TAPE_CLOCK)
        return give_time(r, kind, value);
    r->unrecorded_kv += kind == TAPE_KV && !str_starts(key, "set ");
    return TAPE_ABSENT;
}

/* ---- asks and pauses ---- */

/* The very operation that was recorded, else one like it that none has taken. */
static struct recorded_step *find(struct recorded *r, int kind, uint64_t key, int n, bool *is_same)
{
    struct recorded_step *like = NULL;
    for (int i = 0; i < r->count; i++) {
        struct recorded_step *s = &r->steps[i];
        if (s->is_used || s->kind != kind || s->key != key)
            continue;
        *is_same = s->was->n == n;
        if (*is_same)
            return s;
        if (like == NULL && !(s->was->flags & STEP_STOPPED))
            like = s;
    }
    return kind == STEP_ASK ? like : NULL;
}

static uint64_t end_of(const struct recorded *r, const struct recorded_step *s, bool is_same)
{
    if (s->was->flags & STEP_STOPPED)
        return NEVER;
    return is_same ? s->was->at_us : r->now_us + s->was->us;
}

/* When what was started since the last look will end. */
static void look(struct recorded *r)
{
    struct trial *t = r->trial;
    bool is_same = false;
    for (; r->asks_seen < t->ask_count; r->asks_seen++) {
        const struct trial_ask *a = &t->asks[r->asks_seen];
        struct recorded_step *s = find(r, STEP_ASK, capture_ask_key(a->model, &a->options), a->n, &is_same);
        if (s)
            s->is_used = true;
        r->of_ask[r->asks_seen] = s && !(s->was->flags & STEP_STOPPED) ? s : NULL;
        r->at_ask[r->asks_seen] = s ? end_of(r, s, is_same) : NEVER;
    }
    for (; r->pauses_seen < t->pause_count; r->pauses_seen++) {
        const struct trial_pause *p = &t->pauses[r->pauses_seen];
        struct recorded_step *s = find(r, STEP_SLEEP, 0, p->n, &is_same);
        if (s)
            s->is_used = true;
        r->of_pause[r->pauses_seen] = s;
        r->at_pause[r->pauses_seen] = s ? end_of(r, s, true) : r->now_us + p->ms * 1000ull;
    }
}

static void fill(struct recorded *r, struct reply *reply, const struct captured_step *was)
{
    char kind[32];
    reply->status = was->status;
    reply->ms = (unsigned)(was->us / 1000);
    reply->usd = was->usd;
    reply->usage.is_known = was->usage.is_known;
    memcpy(reply->usage.tokens, was->usage.tokens, sizeof reply->usage.tokens);
    if (was->error.p) {
        snprintf(kind, sizeof kind, STR_FMT, STR_ARG(was->error));
        err_set(&reply->err, err_kind_of(kind), STR_FMT, STR_ARG(was->why));
        reply->err.retryable = was->flags & STEP_RETRYABLE;
        return;
    }
    r->has_met_mask |= (was->flags & STEP_MASKED) != 0;
    if (was->reply.len == 0 || was->reply.p[0] == '"' || json_validate(was->reply, NULL) < 0) { /* it was too large, or is damaged */
        r->has_lost_ask = true;
        trial_fault(reply, ERR_SYSTEM);
        return;
    }
    reply->body = was->reply;
}

/* What ended is waited for no longer. */
static struct op *taken(struct op **op)
{
    struct op *it = *op;
    *op = NULL;
    return it;
}

/* Nothing else can end: an ask that was not recorded is answered by the one who offered to, or the run is of no use. */
static struct op *end_unrecorded(struct recorded *r, struct trial_ask *a)
{
    r->unrecorded_asks++;
    if (r->ask && r->ask(r->ask_arg, r->trial, a) == 0) {
        r->answered_asks++;
        r->answered_usd += a->reply->usd;
        r->failed_asks += a->reply->err.kind != ERR_NONE;
        r->failed = a->reply->err.kind != ERR_NONE && !r->failed ? a->reply : r->failed;
        r->now_us += a->reply->ms * 1000ull;
    } else {
        r->has_lost_ask = true;
        trial_fault(a->reply, ERR_SYSTEM);
    }
    return taken(&a->op);
}

/* Of two that ended in the same microsecond, the one that was written down first did first. */
static bool is_sooner(uint64_t at, const struct recorded_step *s, uint64_t than, const struct recorded_step *other)
{
    return at < than || (at == than && at != NEVER && s && other && s < other);
}

/* Did `s` end right behind what ended last, before the route had seen that? */
static bool is_next(const struct recorded *r, const struct recorded_step *s)
{
    if (s == NULL || r->last == NULL || s < r->last || !(s->was->flags & STEP_JOINED))
        return false;
    for (const struct recorded_step *between = r->last + 1; between < s; between++)
        if ((between->kind == STEP_ASK || between->kind == STEP_SLEEP) && !(between->was->flags & STEP_STOPPED))
            return false;
    return true;
}

static struct op *next(struct trial *t, bool is_joined)
{
    struct recorded *r = (struct recorded *)t->scope.tape;
    struct trial_ask *ask = NULL, *unrecorded = NULL;
    struct trial_pause *pause = NULL;
    const struct recorded_step *s = NULL;
    uint64_t at = NEVER;
    look(r);
    for (int i = t->ask_count - 1; i >= 0; i--) {
        if (t->asks[i].op == NULL)
            continue;
        if (r->of_ask[i] == NULL)
            unrecorded = &t->asks[i];
        else if (is_sooner(r->at_ask[i], r->of_ask[i], at, s)) {
            ask = &t->asks[i];
            at = r->at_ask[i];
            s = r->of_ask[i];
        }
    }
    for (int i = 0; i < t->pause_count; i++)
        if (t->pauses[i].op && is_sooner(r->at_pause[i], r->of_pause[i], at, s)) {
            pause = &t->pauses[i];
            at = r->at_pause[i];
            s = r->of_pause[i];
        }
    if (is_joined && !is_next(r, s))
        return NULL;
    if (at == NEVER)
        return unrecorded ? end_unrecorded(r, unrecorded) : NULL;
    r->now_us = at;
    r->last = s;
    if (pause)
        return taken(&pause->op);
    fill(r, ask->reply, s->was);
    return taken(&ask->op);
}

/* ---- the run ---- */

static void prepare(struct trial *t)
{
    struct recorded *r = t->arg;
    t->scope.seed = r->from->number;
    t->scope.tape = &r->tape;
    t->scope.view.id = arena_strndup(&t->arena, r->from->id.p, r->from->id.len);
    t->scope.view.tokens = r->from->tokens;
    t->scope.view.has_image = r->from->has_image;
}

void recorded_mount(struct recorded *r, struct trial *t)
{
    r->tape.take = take;
    r->trial = t;
    r->asks_seen = r->pauses_seen = r->unrecorded_asks = r->unrecorded_kv = r->answered_asks = r->failed_asks = 0;
    r->failed = NULL;
    r->answered_usd = 0;
    r->now_us = 0;
    r->last = NULL;
    r->has_met_mask = r->has_lost_ask = false;
    for (int i = 0; i < r->count; i++)
        r->steps[i].is_used = false;
    t->arg = r;
    t->head = &r->head;
    t->protocol = (enum protocol)r->from->protocol;
    t->prepare = prepare;
    t->next = next;
}

enum recorded_problem recorded_verdict(const struct recorded *r)
{
    /* An ask that was not found may be one whose text comes from what was masked. */
    if (r->has_met_mask || (r->trial->scope.reads & r->masked) || (r->has_lost_ask && r->masked))
        return RECORDED_MASKED;
    return r->has_lost_ask ? RECORDED_UNRECORDED : RECORDED_READY;
}
