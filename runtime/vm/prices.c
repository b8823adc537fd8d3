#include "vm/prices.h"

#include <fnmatch.h>
#include <string.h>

struct known {
    const char *name;
    bool is_open;
    double price[PRICE_BUCKETS];
    uint32_t context;
    int8_t tools, vision;
};

static const struct known KNOWN_MODELS[] = {
#define KNOWN(name, input, cache_read, cache_write, output, context, tools, vision)                \
    {name, false, {input, cache_read, cache_write, output, output}, context, tools, vision},
#define OPEN(name, context, tools, vision) {name, true, {0}, context, tools, vision},
#include "vm/prices.def"
#undef KNOWN
#undef OPEN
};

static const struct known *find(const char *name)
{
    for (size_t i = 0; i < sizeof KNOWN_MODELS / sizeof KNOWN_MODELS[0]; i++)
        if (fnmatch(KNOWN_MODELS[i].name, name, 0) == 0)
            return &KNOWN_MODELS[i];
    return NULL;
}

/* Nobody sells tokens over plain http: what is asked that way is the operator's own. */
static bool is_own(const struct provider *p)
{
    return p->base_url && strncasecmp(p->base_url, "http://", 7) == 0;
}

void prices_fill(struct model *m)
{
    const struct known *known = m->provider->kind == KIND_SIM ? NULL : find(m->name);
    if (known == NULL)
        return;
    if (!m->has_price && (!known->is_open || is_own(m->provider))) {
        memcpy(m->price, known->price, sizeof m->price);
        m->has_price = true;
    }
    if (m->context == 0)
        m->context = known->context;
    if (m->tools < 0)
        m->tools = known->tools;
    if (m->vision < 0)
        m->vision = known->vision;
}
