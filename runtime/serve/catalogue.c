#include "serve/catalogue.h"

#include <stdio.h>

#include "base/json.h"
#include "base/near.h"
#include "serve/answer.h"
#include "serve/router_state.h"
#include "serve/turnaway.h"

enum { MAX_ANSWER = 1 << 20, LONGEST = 1024, MAX_NEAR = 3, SHOWN = 200 };

/* Tells `see` of each name. */
static void walk(const struct generation *g, void (*see)(void *ctx, const char *id, const char *owner), void *ctx)
{
    char id[LONGEST];
    if (generation_route(g, str_of("route")))
        see(ctx, "auto", "wye");
    for (int i = 0; i < g->route_count; i++) {
        snprintf(id, sizeof id, "wye/%s", g->routes[i].name);
        see(ctx, id, "wye");
    }
    for (int i = 0; i < g->config->alias_count; i++)
        see(ctx, g->config->aliases[i].name, "wye");
    for (int i = 0; g->config->direct && i < g->config->model_count; i++) {
        const struct model *m = &g->config->models[i];
        if (!m->is_implied || g->options->sim_url)
            see(ctx, m->id, m->provider->name);
    }
}

/* ---- the list ---- */

/* Anthropic's clients want a date; none is known. */
static void write_model(struct buf *out, bool is_anthropic, struct str id, const char *owner)
{
    buf_puts(out, is_anthropic ? "{\"type\":\"model\",\"id\":" : "{\"id\":");
    json_quote(out, id);
    buf_puts(out, is_anthropic ? ",\"display_name\":" : ",\"object\":\"model\",\"created\":0,\"owned_by\":");
    json_quote(out, is_anthropic ? id : str_of(owner));
    buf_puts(out, is_anthropic ? ",\"created_at\":\"1970-01-01T00:00:00Z\"}" : "}");
}

struct listing {
    struct buf out;
    struct str wanted; /* empty: all */
    bool is_anthropic;
    char first[LONGEST], last[LONGEST];
    int count;
};

static void list_one(void *ctx, const char *id, const char *owner)
{
    struct listing *l = ctx;
    if (l->wanted.len > 0 && !str_eq(l->wanted, id))
        return;
    snprintf(l->last, sizeof l->last, "%s", id);
    if (l->count++ > 0)
        buf_putc(&l->out, ',');
    else
        memcpy(l->first, l->last, sizeof l->first);
    write_model(&l->out, l->is_anthropic, str_of(id), owner);
}

static void close_list(struct listing *l)
{
    if (!l->is_anthropic) {
        buf_puts(&l->out, "]}");
        return;
    }
    buf_puts(&l->out, "],\"has_more\":false,\"first_id\":");
    json_quote(&l->out, str_of(l->first));
    buf_puts(&l->out, ",\"last_id\":");
    json_quote(&l->out, str_of(l->last));
    buf_putc(&l->out, '}');
}

void catalogue_answer(struct router *r, struct exchange *x, struct str name)
{
    struct listing l = {.out = BUF(MAX_ANSWER), .wanted = name};
    l.is_anthropic = http_field(exchange_head(x), "anthropic-version").p != NULL;
    if (name.len == 0)
        buf_puts(&l.out, l.is_anthropic ? "{\"data\":[" : "{\"object\":\"list\",\"data\":[");
    walk(r->live, list_one, &l);
    if (name.len == 0)
        close_list(&l);
    if (l.count == 0 && name.len > 0)
        turnaway(r, x, &(struct turned){.status = 404, .code = "model_not_found", .more = "", .words = catalogue_refusal(r->live, name, exchange_arena(x))});
    else
        answer_json(r, x, 200, "", buf_str(&l.out));
    buf_clear(&l.out);
}

/* ---- the near ones ---- */

struct near_names {
    const char *wrong;
    struct arena *arena;
    const char *names[MAX_NEAR];
    int distances[MAX_NEAR], count;
};

/* Whoever leaves out what stands before the slash is near too. */
static int distance_to(const char *wrong, const char *id)
{
    const char *slash = strchr(wrong, '/') ? NULL : strchr(id, '/');
    int whole = near_distance(wrong, id), part = slash ? near_distance(wrong, slash + 1) : whole;
    return part < whole ? part : whole;
}

/* The nearest first. */
static void keep_near(void *ctx, const char *id, const char *owner)
{
    struct near_names *n = ctx;
    int distance = distance_to(n->wrong, id), at = n->count;
    (void)owner;
    while (at > 0 && distance < n->distances[at - 1])
        at--;
    if (distance > near_reach(n->wrong) || at == MAX_NEAR)
        return;
    n->count += n->count < MAX_NEAR;
    for (int i = n->count - 1; i > at; i--) {
        n->distances[i] = n->distances[i - 1];
        n->names[i] = n->names[i - 1];
    }
    n->distances[at] = distance;
    n->names[at] = arena_strdup(n->arena, id);
}

const char *catalogue_refusal(const struct generation *g, struct str wrong, struct arena *arena)
{
    struct near_names near = {.wrong = arena_strndup(arena, wrong.p, wrong.len > SHOWN ? SHOWN : wrong.len), .arena = arena};
    const char *hint = "";
    walk(g, keep_near, &near);
    for (int i = 0; i < near.count && hint; i++)
        hint = arena_printf(arena, "%s%s'%s'", hint, i ? ", " : " Did you mean ", near.names[i]);
    return arena_printf(arena, "The model '%s' does not exist or may not be named here.%s%s GET /v1/models lists what may.", near.wrong, hint,
                        near.count ? "?" : "");
}
