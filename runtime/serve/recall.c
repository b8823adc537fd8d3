#include "serve/recall.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "bind/derive.h"
#include "serve/router_state.h"

enum { MAX_MEMBERS = 64, MAX_KEPT = 1 << 20, KIND = 1 };

struct member {
    struct str key, value;
};

/* ---- the key: SHA-256, because a client that could make two bodies meet would answer others ---- */

static EVP_MD_CTX *hashing(void)
{
    static EVP_MD *sha256;
    static EVP_MD_CTX *ctx;
    if (ctx == NULL) {
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        ctx = EVP_MD_CTX_new();
    }
    EVP_DigestInit_ex(ctx, sha256, NULL);
    return ctx;
}

/* With its length, so that no two runs of texts look the same. */
static void hash_text(EVP_MD_CTX *h, struct str s)
{
    EVP_DigestUpdate(h, &s.len, sizeof s.len);
    if (s.len)
        EVP_DigestUpdate(h, s.p, s.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A JSON value without the blanks between its tokens. */
static void hash_value(EVP_MD_CTX *h, struct str v)
{
    bool in_string = false;
    size_t start = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (in_string && v.p[i] == '\\')
            i++;
        else if (v.p[i] == '"')
            in_string = !in_string;
        else if (!in_string && is_blank(v.p[i])) {
            EVP_DigestUpdate(h, v.p + start, i - start);
            start = i + 1;
        }
    }
    EVP_DigestUpdate(h, v.p + start, v.len - start);
    EVP_DigestUpdate(h, "", 1);
}

static bool counts(struct str key)
{
    static const char *const ASIDE[] = {"model", "stream", "stream_options", "user", "safety_identifier", "metadata"};
    for (size_t i = 0; i < sizeof ASIDE / sizeof *ASIDE; i++)
        if (str_eq(key, ASIDE[i]))
            return false;
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct str x = ((const struct member *)a)->key, y = ((const struct member *)b)->key;
    int order = memcmp(x.p, y.p, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static int hash_body(EVP_MD_CTX *h, struct str body)
{
    struct member members[MAX_MEMBERS] = {0};
    size_t count = 0;
    for (struct json_walk w = json_walk(body); json_next(&w);) {
        if (!counts(w.key))
            continue;
        if (count == MAX_MEMBERS)
            return -1;
        members[count++] = (struct member){w.key, w.value};
    }
    qsort(members, count, sizeof *members, by_key);
    for (size_t i = 0; i < count; i++) {
        hash_text(h, members[i].key);
        hash_value(h, members[i].value);
    }
    return 0;
}

static void hash_model(EVP_MD_CTX *h, const struct model *m)
{
    hash_text(h, str_of(m->id));
    hash_text(h, m->quoted);
    if (m->derived == NULL)
        return;
    hash_text(h, m->derived->system);
    for (int i = 0; i < m->derived->edit_count; i++) {
        hash_text(h, str_of(m->derived->edits[i].name));
        hash_text(h, m->derived->edits[i].value);
    }
}

static int make_key(struct request *rq)
{
    EVP_MD_CTX *h = hashing();
    const struct decision *d = &rq->decision;
    if (rq->scope.view.is_odd) /* a member may be there twice: which counts is the provider's business */
        return -1;
    for (int i = 0; i < d->count; i++)
        hash_model(h, d->models[i]);
    if (hash_body(h, rq->scope.view.body) < 0)
        return -1;
    EVP_DigestFinal_ex(h, rq->recall_key, NULL);
    return 0;
}

/* ---- what is kept: the model's id, a line end, the completion ---- */

static const struct model *model_of(const struct decision *d, struct str id)
{
    for (int i = 0; i < d->count; i++)
        if (str_eq(id, d->models[i]->id))
            return d->models[i];
    return NULL;
}

static bool take(struct request *rq, struct str kept, const struct model **model, struct str *completion)
{
    const char *end = memchr(kept.p, '\n', kept.len);
    size_t len = (size_t)(end - kept.p);
    *model = model_of(&rq->decision, str_n(kept.p, len));
    *completion = arena_str(rq->scope.view.arena, str_n(end + 1, kept.len - len - 1));
    return *model && completion->p;
}

static struct str key_of(const struct request *rq)
{
    return str_n((const char *)rq->recall_key, RECALL_KEY);
}

static struct table *table_of(const struct request *rq)
{
    return rq->router->options.region->cache;
}

bool recall_find(struct request *rq, const struct model **model, struct str *completion)
{
    uint8_t kind;
    struct buf kept = BUF(MAX_KEPT);
    struct stats_slot *stats = rq->router->stats;
    rq->recall = RECALL_OFF;
    if (rq->router->options.region == NULL || rq->generation->config->limits.cache_mb == 0 || make_key(rq) < 0)
        return false;
    rq->recall = RECALL_MISS;
    if (table_get(table_of(rq), key_of(rq), clock_ms(), &kind, &kept) == TABLE_OK && take(rq, buf_str(&kept), model, completion))
        rq->recall = RECALL_HIT;
    buf_clear(&kept);
    stats_add(stats, rq->recall == RECALL_HIT ? STAT_CACHE_HITS : STAT_CACHE_MISSES, 1);
    return rq->recall == RECALL_HIT;
}

static bool ended_by_itself(struct str completion)
{
    int choices = 0;
    for (struct json_walk w = json_walk(json_get(completion, "choices")); json_next(&w); choices++) {
        struct str finish = json_plain(json_get(w.value, "finish_reason"));
        if (!str_eq(finish, "stop") && !str_eq(finish, "tool_calls"))
            return false;
    }
    return choices > 0;
}

bool recall_wants(const struct request *rq)
{
    return rq->recall == RECALL_MISS;
}

void recall_keep(struct request *rq, const struct model *model, struct str completion)
{
    if (rq->recall != RECALL_MISS || !ended_by_itself(completion))
        return;
    struct buf kept = BUF(MAX_KEPT);
    bool fits = buf_puts(&kept, model->id) == 0 && buf_putc(&kept, '\n') == 0 && buf_append(&kept, completion.p, completion.len) == 0;
    uint64_t ttl_ms = (uint64_t)rq->decision.cache_s * 1000;
    if (fits && table_set(table_of(rq), key_of(rq), KIND, buf_str(&kept), ttl_ms, clock_ms()) == TABLE_OK)
        stats_add(rq->router->stats, STAT_CACHE_STORES, 1);
    buf_clear(&kept);
}

const char *recall_field(const struct request *rq)
{
    static const char *const FIELDS[] = {"", "x-wye-cache: off\r\n", "x-wye-cache: miss\r\n", "x-wye-cache: hit\r\n"};
    return FIELDS[rq->recall];
}
