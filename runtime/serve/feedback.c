#include "serve/feedback.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/answer.h"
#include "serve/refusal.h"
#include "serve/router_state.h"
#include "trace/lookup.h"

enum { BODY_MOST = 4096, ID_LENGTH = 13, METRIC_MOST = 64, LOOKUPS_A_SECOND = 20 };

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

static void write_score(struct router *r, const char *id, struct str metric, double value)
{
    struct event *e = event_open(r->options.trace, EVENT_SCORE, 0);
    event_str(e, F_ID, str_of(id));
    event_str(e, F_METRIC, metric);
    event_num(e, F_SCORE, value);
    event_close(e);
}

/* Old decisions cost a look into the files: so many a second, and no more. */
static bool may_look(struct router *r)
{
    uint64_t second = clock_ms() / 1000;
    if (r->lookup_second != second) {
        r->lookup_second = second;
        r->lookups = 0;
    }
    return r->lookups++ < LOOKUPS_A_SECOND;
}

static void refuse(struct router *r, struct exchange *x, const struct wrong *wrong)
{
    answer_refusal(r, x, &(struct refusal){400, "invalid_feedback", wrong->field, NULL, str_of(wrong->words)}, NULL, "");
}

static enum feedback_result take(struct router *r, const struct score *s)
{
    struct feedback *f = &r->options.region->feedback;
    char key[ID_LENGTH + METRIC_MOST + 1];
    if (!feedback_is_recent(f, s->slot, s->number)) {
        if (!may_look(r))
            return FEEDBACK_BUSY;
        if (!lookup_decision(r->options.trace_dir, s->slot, s->number))
            return FEEDBACK_UNKNOWN;
    }
    int len = snprintf(key, sizeof key, "%s " STR_FMT, s->id, STR_ARG(s->metric));
    if (feedback_is_scored(f, str_n(key, (size_t)len), clock_ms()))
        return FEEDBACK_REPEATED;
    write_score(r, s->id, s->metric, s->value); /* before it is marked: who dies between loses nothing */
    feedback_scored(f, str_n(key, (size_t)len), clock_ms());
    return FEEDBACK_TAKEN;
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
        answer_error(r, x, 429, "rate_limit_exceeded", "Retry-After: 1\r\n", "Many old decisions are being scored at once. Try again in 1 s.");
        return;
    default:
        snprintf(words, sizeof words, "There is no decision '%.40s', or the trace keeps it no longer. Nothing else was lost.", s->id);
        answer_error(r, x, 404, "decision_not_found", "", words);
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
        answer(r, x, result = lookup_id(str_of(score.id), &score.slot, &score.number) ? take(r, &score) : FEEDBACK_UNKNOWN, &score);
    atomic_fetch_add_explicit(&f->counts[result], 1, memory_order_relaxed);
}

void feedback_metric(struct router *r, const char *id, struct str metric, double value)
{
    if (r->options.trace)
        write_score(r, id, metric, value);
}
