#include "serve/toll.h"

#include <stdio.h>

#include "base/clock.h"
#include "serve/journal.h"
#include "serve/router_state.h"
#include "serve/turnaway.h"

enum { OPEN_TOKENS = 1024, MAX_FIELDS = 400, MAX_WORDS = 300 };

static struct quota_time now(void)
{
    return (struct quota_time){clock_ns(), clock_wall_us()};
}

/* ---- who ---- */

static struct str secret_of(const struct http_head *head)
{
    struct str field = http_field(head, "authorization");
    if (field.p == NULL)
        return http_field(head, "x-api-key");
    if (field.len < 7 || strncasecmp(field.p, "bearer ", 7) != 0)
        return str_n(NULL, 0);
    for (field = str_n(field.p + 7, field.len - 7); field.len > 0 && field.p[0] == ' '; field.len--)
        field.p++;
    return field;
}

static bool refuse_stranger(struct router *r, struct exchange *x, bool has_secret)
{
    limited_count(&r->options.region->limited, LIMITED_KEY);
    return turnaway(r, x, &(struct turned){401, "invalid_api_key", NULL, NULL, NULL, "WWW-Authenticate: Bearer\r\n",
                                           has_secret ? "The API key is not known here, or it was revoked."
                                                      : "You did not provide an API key. Send it as `Authorization: Bearer wye_...` or `x-api-key: wye_...`."});
}

/* ---- why not ---- */

static const enum limited LIMITED[QUOTA_WHY_COUNT] = {
    [QUOTA_REQUESTS] = LIMITED_REQUESTS,
    [QUOTA_TOKENS] = LIMITED_TOKENS,
    [QUOTA_CONCURRENT] = LIMITED_CONCURRENT,
    [QUOTA_USD] = LIMITED_USD,
};

static const char *words_of(const struct key *key, const struct quota_answer *a, char *out, size_t size)
{
    const struct quota_limits *l = &key->limits;
    switch (a->why) {
    case QUOTA_REQUESTS: snprintf(out, size, "Rate limit reached: this key may make %u requests per minute.", l->rpm); break;
    case QUOTA_TOKENS:
        snprintf(out, size, "Rate limit reached: this key may use %llu tokens per minute.", (unsigned long long)l->tpm);
        break;
    case QUOTA_CONCURRENT: snprintf(out, size, "Rate limit reached: this key may have %u requests in flight.", l->concurrent); break;
    default: snprintf(out, size, "Budget reached: this key may spend %.6g US dollars a day (UTC).", l->usd_per_day);
    }
    size_t used = strlen(out);
    snprintf(out + used, size - used, " Try again in %u s.", a->wait_s);
    return out;
}

static const char *code_of(const struct quota_answer *a)
{
    return a->why == QUOTA_USD ? "insufficient_quota" : "rate_limit_exceeded";
}

/* OpenAI's x-ratelimit-* for the limits that the key has. */
static const char *fields_of(const struct key *key, const struct quota_answer *a, char *out, size_t size)
{
    const struct quota_limits *l = &key->limits;
    int n = snprintf(out, size, "Retry-After: %u\r\n", a->wait_s);
    if (l->rpm)
        n += snprintf(out + n, size - (size_t)n,
                      "x-ratelimit-limit-requests: %u\r\nx-ratelimit-remaining-requests: %llu\r\nx-ratelimit-reset-requests: %us\r\n",
                      l->rpm, (unsigned long long)a->requests_left, a->why == QUOTA_REQUESTS ? a->wait_s : 0);
    if (l->tpm)
        snprintf(out + n, size - (size_t)n,
                 "x-ratelimit-limit-tokens: %llu\r\nx-ratelimit-remaining-tokens: %llu\r\nx-ratelimit-reset-tokens: %us\r\n",
                 (unsigned long long)l->tpm, (unsigned long long)a->tokens_left, a->why == QUOTA_TOKENS ? a->wait_s : 0);
    return out;
}

bool toll_head(struct router *r, struct exchange *x, bool is_counted)
{
    struct region *region = r->options.region;
    char fields[MAX_FIELDS], words[MAX_WORDS];
    r->headed = x;
    r->headed_key = NULL;
    if (region == NULL || !keys_are_asked(&region->keys))
        return true;
    struct str secret = secret_of(exchange_head(x));
    struct key *key = keys_find(&region->keys, secret);
    r->headed_key = key;
    if (key == NULL)
        return refuse_stranger(r, x, secret.len > 0);
    if (!is_counted)
        return true;
    struct quota_answer a = quota_look(&key->quota, &key->limits, now());
    if (a.why == QUOTA_OK)
        return true;
    limited_count(&region->limited, LIMITED[a.why]);
    return turnaway(r, x, &(struct turned){429, code_of(&a), NULL, quota_why_name(a.why), key, fields_of(key, &a, fields, sizeof fields),
                                           words_of(key, &a, words, sizeof words)});
}

/* ---- the request ---- */

static void refuse(struct request *rq, const struct quota_answer *a)
{
    const struct key *key = rq->toll.key;
    char fields[MAX_FIELDS], words[MAX_WORDS];
    limited_count(&rq->router->options.region->limited, LIMITED[a->why]);
    rq->cause = "limit";
    rq->limit_hit = quota_why_name(a->why);
    request_error_with(rq, 429, code_of(a), NULL, fields_of(key, a, fields, sizeof fields), words_of(key, a, words, sizeof words));
}

static uint64_t tokens_out(const struct view *v)
{
    return v->max_tokens ? v->max_tokens : OPEN_TOKENS;
}

/* A body that came in pieces may find another exchange's head between: then the key is looked up again. */
struct key *toll_key(struct router *r, struct exchange *x)
{
    if (r->headed == x)
        return r->headed_key;
    if (r->options.region == NULL || !keys_are_asked(&r->options.region->keys))
        return NULL;
    return keys_find(&r->options.region->keys, secret_of(exchange_head(x)));
}

void toll_own(struct router *r, const struct key *key)
{
    struct region *region = r->options.region;
    if (key)
        feedback_own(&region->feedback, r->options.slot, keys_place(&region->keys, key));
}

void toll_open(struct request *rq)
{
    rq->toll = (struct toll){.key = toll_key(rq->router, rq->x)};
    toll_own(rq->router, rq->toll.key);
}

bool toll_enter(struct request *rq)
{
    const struct view *v = &rq->scope.view;
    struct key *key = rq->toll.key;
    if (key == NULL)
        return true;
    uint64_t tokens = (uint64_t)v->tokens + tokens_out(v);
    struct quota_answer a = quota_admit(&key->quota, &key->limits, rq->router->options.slot, tokens, v->max_tokens == 0, now(), &rq->toll.hold);
    rq->toll.is_held = a.why == QUOTA_OK;
    if (!rq->toll.is_held) {
        journal_begin(rq);
        refuse(rq, &a);
    }
    return rq->toll.is_held;
}

static double dearer(double a, double b)
{
    return a > b ? a : b;
}

/* The most that a call may cost: all of the input written to a cache, all of the output that the client allows. */
static double usd_of(const struct view *v, const struct model *m)
{
    if (!m->has_price)
        return 0;
    double in = dearer(m->price[PRICE_INPUT], m->price[PRICE_CACHE_WRITE]);
    double out = dearer(m->price[PRICE_OUTPUT], m->price[PRICE_REASONING]);
    return ((double)v->tokens * in + (double)tokens_out(v) * out) / 1e6;
}

int toll_reserve(struct request *rq, const struct model *model, struct err *err)
{
    struct toll *t = &rq->toll;
    const struct view *v = &rq->scope.view;
    if (!t->is_held || t->key->limits.usd_per_day <= 0)
        return 0;
    double usd = usd_of(v, model);
    if (usd == 0 || quota_reserve(&t->key->quota, &t->key->limits, rq->router->options.slot, usd, v->max_tokens == 0, now(), &t->hold))
        return 0;
    t->is_spent = true;
    return err_set(err, ERR_LIMIT, "the key's budget of %.6g US dollars a day has no room for this call", t->key->limits.usd_per_day);
}

void toll_used(struct request *rq, const struct attempt *a)
{
    for (int i = 0; i < PRICE_BUCKETS; i++)
        rq->toll.tokens += (uint64_t)a->usage.tokens[i];
    if (a->status == 200 && !a->usage.is_known)
        rq->toll.is_uncertain = true;
}

void toll_refuse_spent(struct request *rq)
{
    const struct key *key = rq->toll.key;
    struct quota_answer a = quota_look(&rq->toll.key->quota, &key->limits, now());
    a.wait_s = quota_usd_wait_s(&rq->toll.key->quota, rq->toll.hold.usd, now());
    a.why = QUOTA_USD;
    stats_add(rq->router->stats, STAT_REFUSED, 1);
    refuse(rq, &a);
}

void toll_settle(struct request *rq)
{
    struct toll *t = &rq->toll;
    if (!t->is_held)
        return;
    bool keeps = t->is_uncertain;
    uint64_t tokens = keeps && t->hold.tokens > t->tokens ? t->hold.tokens : t->tokens;
    double usd = keeps && t->hold.usd > rq->usd ? t->hold.usd : rq->usd;
    quota_settle(&t->key->quota, rq->router->options.slot, tokens, usd, now(), &t->hold);
    t->is_held = false;
}

const char *toll_name(const struct request *rq)
{
    return rq->toll.key ? rq->toll.key->name : NULL;
}
