#include "serve/usage.h"

#include <math.h>

#include "base/json.h"

static int64_t count_of(struct str value)
{
    int64_t n = 0;
    return value.p && json_integer(value, &n) && n > 0 ? n : 0;
}

static int64_t less(int64_t whole, int64_t part)
{
    return whole > part ? whole - part : 0;
}

enum { PROMPT, COMPLETION, TOTAL, PROMPT_DETAILS, COMPLETION_DETAILS, CACHE_HIT };
const struct str USAGE_NAMES[USAGE_NAME_COUNT] = {STR("prompt_tokens"),         STR("completion_tokens"),         STR("total_tokens"),
                                                  STR("prompt_tokens_details"), STR("completion_tokens_details"), STR("prompt_cache_hit_tokens")};

struct usage usage_read(struct str json)
{
    struct str values[USAGE_NAME_COUNT];
    if (json_type(json) != JSON_OBJECT)
        return (struct usage){0};
    json_get_many(json, USAGE_NAMES, values, USAGE_NAME_COUNT);
    return usage_of(values);
}

struct usage usage_of(const struct str *values)
{
    struct usage u = {.is_known = true};
    int64_t *t = u.tokens;
    t[PRICE_CACHE_READ] = count_of(values[CACHE_HIT]); /* DeepSeek's own */
    if (values[PROMPT_DETAILS].p) {
        struct str cached = json_get(values[PROMPT_DETAILS], "cached_tokens");
        t[PRICE_CACHE_READ] = cached.p ? count_of(cached) : t[PRICE_CACHE_READ];
        t[PRICE_CACHE_WRITE] = count_of(json_get(values[PROMPT_DETAILS], "cache_write_tokens")); /* OpenRouter's */
    }
    if (values[COMPLETION_DETAILS].p)
        t[PRICE_REASONING] = count_of(json_get(values[COMPLETION_DETAILS], "reasoning_tokens"));
    int64_t prompt = count_of(values[PROMPT]), completion = count_of(values[COMPLETION]), beside = less(count_of(values[TOTAL]), prompt);
    if (beside > completion) /* some servers count reasoning beside the completion: then only the total holds it */
        completion = beside;
    t[PRICE_INPUT] = less(prompt, t[PRICE_CACHE_READ] + t[PRICE_CACHE_WRITE]);
    t[PRICE_OUTPUT] = less(completion, t[PRICE_REASONING]);
    return u;
}

void usage_write(struct buf *out, const struct usage *u)
{
    const int64_t *t = u->tokens;
    long long prompt = t[PRICE_INPUT] + t[PRICE_CACHE_READ] + t[PRICE_CACHE_WRITE], completion = t[PRICE_OUTPUT] + t[PRICE_REASONING];
    buf_printf(out, "{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld", prompt, completion, prompt + completion);
    buf_printf(out, ",\"prompt_tokens_details\":{\"cached_tokens\":%lld}", (long long)t[PRICE_CACHE_READ]);
    buf_printf(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":%lld}}", (long long)t[PRICE_REASONING]);
}

double usage_usd(const struct usage *u, const struct model *model)
{
    double usd = 0;
    if (!u->is_known || !model->has_price)
        return 0;
    for (int i = 0; i < PRICE_BUCKETS; i++)
        usd += (double)u->tokens[i] * model->price[i] / 1e6;
    return round(usd * 1e12) / 1e12; /* sums of products read 8.25e-05, not 8.2500000000000013e-05 */
}
