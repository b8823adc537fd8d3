#include "serve/usage.h"

#include "base/json.h"

static int64_t count_at(struct str json, const char *pointer)
{
    int64_t n = 0;
    return json_integer(json_pointer(json, pointer), &n) && n > 0 ? n : 0;
}

static int64_t less(int64_t whole, int64_t part)
{
    return whole > part ? whole - part : 0;
}

struct usage usage_read(struct str json)
{
    struct usage u = {0};
    if (json_type(json) != JSON_OBJECT)
        return u;
    u.is_known = true;
    int64_t *t = u.tokens;
    t[PRICE_CACHE_READ] = count_at(json, "/prompt_tokens_details/cached_tokens");
    t[PRICE_REASONING] = count_at(json, "/completion_tokens_details/reasoning_tokens");
    t[PRICE_INPUT] = less(count_at(json, "/prompt_tokens"), t[PRICE_CACHE_READ]);
    t[PRICE_OUTPUT] = less(count_at(json, "/completion_tokens"), t[PRICE_REASONING]);
    return u;
}

double usage_usd(const struct usage *u, const struct model *model)
{
    double usd = 0;
    if (!u->is_known || !model->has_price)
        return 0;
    for (int i = 0; i < PRICE_BUCKETS; i++)
        usd += (double)u->tokens[i] * model->price[i] / 1e6;
    return usd;
}
