#include "serve/feedback.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "serve/answer.h"
#include "serve/refusal.h"
#include "serve/router_state.h"
#include "serve/toll.h"
#include "trace/lookup.h"
#include "trace/scored.h"

enum { BODY_MOST = 4096, METRIC_MOST = 64 };

struct score {
    const char *id;
    struct str metric;
    double value;
    uint64_t number;
    unsigned slot;
};

static bool is_name(struct str s)
{
    static const char BYTES[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] == '\0' || strchr(BYTES, s.p[i]) == NULL)
            return false;
    return s.len > 0 && s.len < METRIC_MOST;
}

static bool read_value(struct str value, double *out)
{
    *out = json_is_true(value);
    enum json_type type = json_type(value);
    return type == JSON_TRUE || type == JSON_FALSE || (type == JSON_NUMBER && json_number(value, out) && isfinite(*out));
}

struct wrong {
    const char *field, *words;
};

static bool is_measured(struct str metric)
{
    static const char *const OWN[] = {"error", "refused", "valid", "usd", "cost", "ms", "latency", "ttft", "tokens"};
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
        if (str_eq(metric, OWN[i]))
            return true;
    return false;
}

/* What is wrong with it; no words: nothing. */
static struct wrong read_score(struct exchange *x, struct score *s)
{
    static const struct str NAMES[] = {STR("id"), STR("metric"), STR("value")};
    struct str values[3] = {{0}}, body = exchange_body(x);
    struct json_members members = {NAMES, values, 3, false, NULL};
    if (json_validate_members(body, &members, NULL) < 0 || json_type(body) != JSON_OBJECT)
        return (struct wrong){NULL, "Feedback is a JSON object: {\"id\": \"...\", \"metric\": \"...\", \"value\": 1}."};
    s->id = json_text(values[0], exchange_arena(x)).p;
    s->metric = json_text(values[1], exchange_arena(x));
    if (s->id == NULL)
        return (struct wrong){"id", values[0].p ? "id is a string: what the header x-wye-id of the answer said."
                                                : "id is missing: it is what the header x-wye-id of the answer said."};
    if (!is_name(s->metric))
        return (struct wrong){"metric", values[1].p ? "metric is a name of 1 to 63 letters, digits and . _ -"
                                                    : "metric is missing: a name of 1 to 63 letters, digits and . _ -"};
    if (is_measured(s->metric))
        return (struct wrong){"metric", "metric: error, refused, valid, usd, cost, ms, latency, ttft and tokens are measured by wye itself; give the score another name."};
    if (!read_value(values[2], &s->value))
        return (struct wrong){"value", values[2].p ? "value is a finite number, true or false." : "value is missing: a finite number, true or false."};
    return (struct wrong){0};
}

/* Whether the trace had room for it. */
static bool write_score(struct router *r, struct str id, struct str metric, double value)
{
    struct event *e = event_open(r->options.trace, EVENT_SCORE, 0);
    event_str(e, F_ID, id);
    event_str(e, F_METRIC, metric);
    event_num(e, F_SCORE, value);
    return event_close(e);
}

/* NULL: not to be had, said once; tried again each second. */
static struct scored *scored_of(struct router *r)
{
    struct err err;
    uint64_t second = clock_ms() / 1000;
    if (r->scored || r->scored_second == second)
        return r->scored;
    bool is_first = r->scored_second == 0;
    r->scored_second = second;
    r->scored = scored_open(r->options.trace_dir, &err);
    if (r->scored == NULL && is_first)
        log_warn("%s: scores of decisions are refused until there is", err.message);
    return r->scored;
}

/* Marked after it is written: who dies between loses nothing, and readers take the first of two. */
static enum feedback_result score_once(struct router *r, struct str id, struct str metric, double value)
{
    struct feedback *f = &r->options.region->feedback;
    struct scored *scored = scored_of(r);
    enum feedback_result result = FEEDBACK_FAILED;
    if (scored == NULL)
        return result;
    lock_take(&f->scoring);
    if (scored_has(scored, id, metric))
        result = FEEDBACK_REPEATED;
    else if (write_score(r, id, metric, value)) {
        scored_mark(scored, id, metric);
        result = FEEDBACK_TAKEN;
    }
    lock_drop(&f->scoring);
    return result;
}

/* ---- whose it is ---- */

static struct lookup *lookup_of(struct router *r)
{
    if (r->lookup == NULL)
        r->lookup = lookup_new(r->options.trace_dir);
    return r->lookup;
}

static bool may_score(const struct key *asks, struct str owner)
{
    return asks == NULL || owner.p == NULL || str_eq(owner, asks->name);
}

/* Another's decision costs what one that never was does, so that time tells neither. */
static enum lookup_result find(struct router *r, const struct score *s, const struct key *asks)
{
    const struct region *region = r->options.region;
    uint64_t owner;
    int place;
    if (feedback_is_recent(&region->feedback, s->slot, s->number, &place) && may_score(asks, place < 0 ? str_n(NULL, 0) : str_of(region->keys.slots[place].name)))
        return LOOKUP_FOUND;
    enum lookup_result result = lookup_decision(lookup_of(r), s->slot, s->number, &owner);
    if (result == LOOKUP_FOUND && asks && owner && owner != lookup_owner(str_of(asks->name)))
        return LOOKUP_ABSENT;
    return result;
}

static void refuse(struct router *r, struct exchange *x, const struct wrong *wrong)
{
    answer_refusal(r, x, &(struct refusal){400, "invalid_feedback", wrong->field, NULL, str_of(wrong->words)}, NULL, "");
}

static enum feedback_result take(struct router *r, struct exchange *x, const struct score *s)
{
    switch (find(r, s, toll_key(r, x))) {
    case LOOKUP_FOUND: return score_once(r, str_of(s->id), s->metric, s->value);
    case LOOKUP_BUSY: return FEEDBACK_BUSY;
    default: return FEEDBACK_UNKNOWN;
    }
}

static void answer_unknown(struct router *r, struct exchange *x, const struct score *s)
{
    char words[700];
    struct err err;
    if (s->number == 0 || lookup_unread(lookup_of(r), s->slot, s->number, &err) != LOOKUP_FOUND) {
        snprintf(words, sizeof words, "There is no decision '%.40s', or the trace keeps it no longer. Nothing else was lost.", s->id);
    } else {
        const char *file = strrchr(err.message, '/');
        snprintf(words, sizeof words, "There is no decision '%.40s' in what can be read of the trace. It may lie in %s.", s->id, file ? file + 1 : err.message);
    }
    answer_error(r, x, 404, "decision_not_found", "", words);
}

static void answer(struct router *r, struct exchange *x, enum feedback_result result, const struct score *s)
{
    char words[300];
    switch (result) {
    case FEEDBACK_TAKEN:
        answer_json(r, x, 200, "", str_of("{\"ok\":true}\n"));
        return;
    case FEEDBACK_REPEATED:
        snprintf(words, sizeof words, "The decision %s has a value of " STR_FMT " already; the first one stands.", s->id, STR_ARG(s->metric));
        answer_error(r, x, 409, "already_scored", "", words);
        return;
    case FEEDBACK_BUSY:
        answer_error(r, x, 429, "rate_limit_exceeded", "Retry-After: 1\r\n", "Reading up old decisions has taken its share of this second. Try again in 1 s; scores in order of time are read fastest.");
        return;
    case FEEDBACK_FAILED:
        answer_error(r, x, 503, "not_recorded", "Retry-After: 1\r\n", "The trace has no room for the score (its disk is full, or its folder cannot be written), so it was not taken.");
        return;
    default:
        answer_unknown(r, x, s);
    }
}

bool feedback_head(struct router *r, struct exchange *x)
{
    const struct http_head *head = exchange_head(x);
    bool is_post = str_eq(head->method, "POST");
    if (is_post && head->framing == HTTP_LENGTH && head->length <= BODY_MOST)
        return true;
    stats_add(r->stats, STAT_REFUSED, 1);
    if (is_post)
        answer_error(r, x, 413, "body_too_large", "", "Feedback has at most 4096 bytes, and says how many (Content-Length).");
    else
        answer_error(r, x, 405, "method_not_allowed", "Allow: POST\r\n", "Use POST for " FEEDBACK_PATH ".");
    return false;
}

static enum feedback_result judge(struct router *r, struct exchange *x, struct score *s)
{
    if (lookup_id(str_of(s->id), &s->slot, &s->number))
        return take(r, x, s);
    s->number = 0;
    return FEEDBACK_UNKNOWN;
}

void feedback_post(struct router *r, struct exchange *x)
{
    struct feedback *f = &r->options.region->feedback;
    struct score score;
    enum feedback_result result = FEEDBACK_INVALID;
    struct wrong wrong = read_score(x, &score);
    if (r->options.trace == NULL)
        answer_error(r, x, 503, "no_trace", "", "This server keeps no trace, so nothing can be scored.");
    else if (wrong.words)
        refuse(r, x, &wrong);
    else
        answer(r, x, result = judge(r, x, &score), &score);
    atomic_fetch_add_explicit(&f->counts[result], 1, memory_order_relaxed);
}

void feedback_metric(struct router *r, const char *id, struct str metric, double value)
{
    if (r->options.trace && scored_of(r))
        score_once(r, str_of(id), metric, value);
    else if (r->options.trace)
        write_score(r, str_of(id), metric, value);
}

void feedback_close(struct router *r)
{
    lookup_free(r->lookup);
    scored_close(r->scored);
}
