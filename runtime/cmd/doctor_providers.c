/*
 * doctor_providers: does each provider answer, and take its key? One cheap call for each key, GET of the list of models where the API has one, all at once, and only to
 * addresses that wye.lua names. What a provider says of a refused key is not shown: it may hold a part of it.
 */
#include "cmd/doctor.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "net/fetch.h"
#include "vm/collector.h"
#include "vm/generation.h"
#include "vm/secret.h"

enum { PROBE_MS = 8000, PROBES_MOST = 512, AT_ONCE = 32, LINES_MOST = 24, LIST_MOST = 8 << 20, CLOCK_WARN_S = 5, CLOCK_FAIL_S = 300, MISSING_MOST = 5 };

struct probe {
    const struct provider *provider; /* NULL: the collector */
    const struct endpoint *endpoint;
    const struct credential *key;
    const char *label, *method, *body, *after; /* after: what follows base_url */
    bool has_key;
    pthread_t thread;
    /* what came of it */
    char url[2600], date[64], fields[8192];
    const char *lines[LINES_MOST];
    struct buf reply;
    struct err err;
    int failed, status;
    uint64_t ms;
    time_t answered;
};

static void *run(void *arg)
{
    struct probe *p = arg;
    const struct endpoint *e = p->endpoint;
    struct fetch_field field = {"Date", p->date, sizeof p->date};
    uint64_t began = clock_ms();
    p->failed = fetch_url(&(struct fetch_to){p->url, p->lines, e->proxy, e->ca_file, e->is_private}, p->method, str_of(p->body), PROBE_MS, &p->reply, &p->status,
                          &field, &p->err);
    p->ms = clock_ms() - began;
    p->answered = time(NULL);
    return NULL;
}

/* The header lines of every call with this key, as a list. */
static void set_lines(struct probe *p, const char *fields)
{
    int count = 0;
    char *rest = p->fields, *line;
    snprintf(p->fields, sizeof p->fields, "%s", fields ? fields : "");
    while ((line = strsep(&rest, "\r\n")) && count < LINES_MOST - 2)
        if (*line && strncasecmp(line, "content-type:", 13) != 0)
            p->lines[count++] = line;
    if (p->provider && p->provider->kind == KIND_ANTHROPIC)
        p->lines[count++] = "anthropic-version: 2023-06-01";
    p->lines[count] = NULL;
}

/* Where the API lists its models; NULL where it has no such call that a key alone can make. */
static const char *list_of(struct doctor *d, const struct provider *p)
{
    switch (p->kind) {
    case KIND_ANTHROPIC: return "/v1/models?limit=1000";
    case KIND_GEMINI: return "/models?pageSize=1000";
    case KIND_BEDROCK: return NULL;
    case KIND_AZURE: return p->api_version ? arena_printf(&d->arena, "/openai/models?api-version=%s", p->api_version) : "/models";
    default: return "/models";
    }
}

static void set_url(struct probe *p)
{
    size_t len = strlen(p->endpoint->base_url);
    while (len > 0 && p->endpoint->base_url[len - 1] == '/')
        len--;
    snprintf(p->url, sizeof p->url, "%.*s%s", (int)len, p->endpoint->base_url, p->after);
}

static int add_provider(struct doctor *d, struct probe *all, int count, int index)
{
    const struct generation *g = d->generation;
    const struct provider *p = &g->config->providers[index];
    const struct keyring *ring = &g->keyrings[index];
    const char *list = list_of(d, p);
    for (int k = 0; k < ring->count && count < PROBES_MOST && p->kind != KIND_SIM; k++) {
        struct probe *probe = &all[count++];
        *probe = (struct probe){.provider = p, .endpoint = &g->endpoints[index], .method = "GET", .body = "", .after = list ? list : "/", .reply = BUF(LIST_MOST)};
        probe->label = ring->count > 1 ? arena_printf(&d->arena, "%s, key %d", p->name, k + 1) : p->name;
        probe->has_key = list && ring->keys[k].key;
        set_lines(probe, list ? ring->keys[k].fields : NULL);
        set_url(probe);
    }
    return count;
}

/* An empty request, as its protocol allows. */
static int add_collector(struct doctor *d, struct probe *all, int count)
{
    const struct collector *c = d->generation->config->otlp;
    struct endpoint *e = arena_need(&d->arena, sizeof *e);
    struct buf fields = BUF(sizeof all->fields - 1);
    if (c == NULL || count == PROBES_MOST)
        return count;
    *e = (struct endpoint){.base_url = c->url, .proxy = c->proxy[0] ? c->proxy : NULL, .ca_file = c->ca[0] ? c->ca : NULL, .is_private = c->is_private};
    struct probe *probe = &all[count++];
    size_t len = strlen(c->url);
    bool is_whole = len > 10 && strcmp(c->url + len - 10, "/v1/traces") == 0;
    *probe = (struct probe){.endpoint = e, .label = "otlp", .method = "POST", .body = "{\"resourceSpans\":[]}", .after = is_whole ? "" : "/v1/traces", .reply = BUF(LIST_MOST)};
    for (int i = 0; i < c->header_count; i++) {
        char *value = collector_header(&c->headers[i]);
        if (value)
            buf_printf(&fields, "%s: %s\r\n", c->headers[i].name, value);
        secret_forget(value);
    }
    set_lines(probe, fields.p);
    set_url(probe);
    buf_clear(&fields);
    return count;
}

static void run_all(struct probe *all, int count)
{
    for (int from = 0; from < count; from += AT_ONCE) {
        int to = from + AT_ONCE < count ? from + AT_ONCE : count;
        for (int i = from; i < to; i++)
            if (pthread_create(&all[i].thread, NULL, run, &all[i]) != 0) {
                run(&all[i]);
                all[i].thread = 0;
            }
        for (int i = from; i < to; i++)
            if (all[i].thread)
                pthread_join(all[i].thread, NULL);
    }
}

/* ---- what came of it ---- */

static bool names(struct str list, const char *member, const char *prefix, const char *name)
{
    for (struct json_walk w = json_walk(list); json_next(&w);) {
        struct str id = json_plain(json_get(w.value, member));
        size_t len = strlen(prefix);
        if (str_eq(id, name) || (len && str_starts(id, prefix) && str_eq(str_n(id.p + len, id.len - len), name)))
            return true;
    }
    return false;
}

/* Models of wye.lua that the provider does not list, when it lists all at once. */
static void compare_models(struct doctor *d, const struct probe *p)
{
    bool is_gemini = p->provider->kind == KIND_GEMINI;
    struct str reply = buf_str(&p->reply), list;
    const struct config *c = d->generation->config;
    if (p->provider->kind == KIND_AZURE || json_validate(reply, NULL) < 0)
        return; /* Azure's calls name deployments */
    list = json_get(reply, is_gemini ? "models" : "data");
    struct json_walk any = json_walk(list);
    if (json_type(list) != JSON_ARRAY || !json_next(&any) || json_is_true(json_get(reply, "has_more")) || json_get(reply, "nextPageToken").p)
        return;
    for (int i = 0, told = 0; i < c->model_count && told < MISSING_MOST; i++) {
        const struct model *m = &c->models[i];
        if (m->provider != p->provider || names(list, is_gemini ? "name" : "id", is_gemini ? "models/" : "", m->name))
            continue;
        told++;
        doctor_say(d, DOCTOR_WARN, "models", "compare its name with the provider's list", "%s: %s does not list '%s'", m->id, p->provider->name, m->name);
    }
}

static bool is_refused_key(const struct probe *p)
{
    bool is_gemini = p->provider && p->provider->kind == KIND_GEMINI && p->status == 400; /* its word for it */
    return p->status == 401 || p->status == 403 || (is_gemini && p->has_key);
}

static void judge_answer(struct doctor *d, const struct probe *p)
{
    const char *look = p->provider ? "providers" : "otlp";
    unsigned long long ms = p->ms;
    if (p->status < 300 && (p->has_key || p->provider == NULL))
        doctor_say(d, DOCTOR_OK, look, NULL, "%s: answers in %llu ms%s", p->label, ms, p->has_key ? " and takes the key" : "");
    else if (is_refused_key(p) && (p->has_key || p->provider == NULL))
        doctor_say(d, DOCTOR_FAIL, look, "put a valid key where wye.lua says; its rights and its organisation count too", "%s: answers in %llu ms, and refuses the key (%d)", p->label, ms, p->status);
    else if (p->status == 429)
        doctor_say(d, DOCTOR_WARN, look, "wait, or look at the account's limits", "%s: answers in %llu ms that there were too many requests (429)", p->label, ms);
    else if (p->status >= 500)
        doctor_say(d, DOCTOR_WARN, look, "try again; its status page may say more", "%s: answers in %llu ms with status %d", p->label, ms, p->status);
    else if (p->status >= 300 && p->status < 400)
        doctor_say(d, DOCTOR_WARN, look, "let base_url name the address that it leads to; wye follows none", "%s: answers in %llu ms with a redirect (%d)", p->label, ms, p->status);
    else if (p->provider == NULL)
        doctor_say(d, DOCTOR_FAIL, look, "is it a collector that takes OTLP over HTTP, as JSON? Its port is 4318 mostly", "%s: %s answers with status %d", p->label, p->url, p->status);
    else
        doctor_say(d, DOCTOR_OK, look, NULL, "%s: answers in %llu ms (%d); %s", p->label, ms, p->status,
                   p->has_key ? "it lists no models, so its key was not tried" : "no key was tried");
    if (p->provider && p->status == 200)
        compare_models(d, p);
}

static void judge(struct doctor *d, const struct probe *p)
{
    const char *advice = p->err.kind == ERR_TIMEOUT ? "is there a firewall on the way? proxy = \"http://…\" goes around one" : "is the address right, and does this machine reach it?";
    if (p->failed)
        doctor_say(d, DOCTOR_FAIL, p->provider ? "providers" : "otlp", advice, "%s: %s", p->label, p->err.message);
    else
        judge_answer(d, p);
}

/* ---- the clock ---- */

/* By the Date of who answered: the smallest difference, since one of them may be wrong itself. */
static void look_at_clock(struct doctor *d, const struct probe *all, int count)
{
    double least = INFINITY;
    for (int i = 0; i < count; i++) {
        struct tm date = {0};
        if (all[i].failed || !strptime(all[i].date, "%a, %d %b %Y %H:%M:%S GMT", &date))
            continue;
        double off = difftime(all[i].answered, timegm(&date)) - (double)all[i].ms / 2000;
        least = fabs(off) < fabs(least) ? off : least;
    }
    if (isinf(least))
        return;
    enum doctor_state state = fabs(least) > CLOCK_FAIL_S ? DOCTOR_FAIL : fabs(least) > CLOCK_WARN_S ? DOCTOR_WARN : DOCTOR_OK;
    const char *advice = state == DOCTOR_OK ? NULL : "set it, and let it be kept: `timedatectl set-ntp true`. Signatures and certificates depend on it";
    if (state == DOCTOR_OK)
        doctor_say(d, state, "clock", NULL, "agrees with the providers'");
    else
        doctor_say(d, state, "clock", advice, "%.0f s %s of the providers'", fabs(least), least > 0 ? "ahead" : "behind");
}

void doctor_providers(struct doctor *d)
{
    int count = 0;
    if (d->generation == NULL)
        return;
    struct probe *all = xcalloc(PROBES_MOST, sizeof *all);
    for (int i = 0; i < d->generation->config->provider_count && !d->options->demo; i++)
        count = add_provider(d, all, count, i);
    count = add_collector(d, all, count);
    if (count > 0 && isatty(STDERR_FILENO))
        fprintf(stderr, "asking %d address%s, %d s at most\n", count, count == 1 ? "" : "es", PROBE_MS / 1000 * ((count + AT_ONCE - 1) / AT_ONCE));
    run_all(all, count);
    for (int i = 0; i < count; i++)
        judge(d, &all[i]);
    look_at_clock(d, all, count);
    for (int i = 0; i < count; i++) {
        buf_clear(&all[i].reply);
        explicit_bzero(all[i].fields, sizeof all[i].fields);
    }
    free(all);
}
