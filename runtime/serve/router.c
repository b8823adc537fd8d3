#include "serve/router.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "bind/translation.h"
#include "bind/experiment.h"
#include "serve/admission.h"
#include "serve/answer.h"
#include "serve/catalogue.h"
#include "serve/feedback.h"
#include "serve/router_state.h"
#include "serve/toll.h"
#include "serve/turnaway.h"
#include "serve/vitals.h"

#define MODELS_PATH "/v1/models"
#define COUNT_PATH "/v1/messages/count_tokens"

static const char *const PATHS[] = {
    [PROTOCOL_CHAT] = "/v1/chat/completions",
    [PROTOCOL_MESSAGES] = "/v1/messages",
    [PROTOCOL_RESPONSES] = "/v1/responses",
    [PROTOCOL_EMBEDDINGS] = "/v1/embeddings",
};
enum { PATH_COUNT = sizeof PATHS / sizeof *PATHS };

struct router *router_new(const struct router_options *options)
{
    struct router *r = xcalloc(1, sizeof *r);
    r->options = *options;
    r->stats = &options->board->slots[options->slot];
    list_init(&r->active);
    list_init(&r->free);
    shadows_open(&r->shadows, r);
    if (getrandom(r->seed, sizeof r->seed, 0) != sizeof r->seed)
        r->seed[0] = clock_ns();
    return r;
}

static uint64_t capture_below(const struct router *r, const struct config *c)
{
    double share = c->capture.share >= 0 ? c->capture.share : r->options.captures_by_default;
    return share >= 1 ? UINT64_MAX : (uint64_t)(share * 0x1p64);
}

static void use_experiments(struct router *r, struct generation *g)
{
    struct region *region = r->options.region;
    for (struct experiment_binding *b = g->experiments; b && region; b = b->next) {
        b->shared = experiments_use(&region->experiments, &b->source, clock_wall_us());
        if (b->shared == NULL)
            log_warn("experiment '%s': %d others are known already: its weights cannot be ramped until a restart has forgotten the oldest", b->source.name,
                     EXPERIMENTS_MOST);
    }
}

void router_use(struct router *r, struct generation *g)
{
    if (r->live)
        generation_release(r->live);
    r->live = generation_hold(g);
    if (r->options.region) {
        table_resize(r->options.region->kv, (uint64_t)g->config->limits.kv_mb << 20);
        table_resize(r->options.region->cache, (uint64_t)g->config->limits.cache_mb << 20);
    }
    r->capture_below = capture_below(r, g->config);
    admission_use(r);
    vitals_open(r, g);
    use_experiments(r, g);
}

void router_drain(struct router *r)
{
    shadows_stop(&r->shadows);
}

void router_free(struct router *r)
{
    shadows_stop(&r->shadows);
    LIST_EACH(it, &r->active)
        request_abort(LIST_ENTRY(it, struct request, link));
    LIST_EACH(it, &r->free) {
        struct request *rq = LIST_ENTRY(it, struct request, link);
        timer_clear(&rq->total);
        timer_clear(&rq->content);
        free(rq);
    }
    shadows_close(&r->shadows);
    if (r->live)
        generation_release(r->live);
    translator_free(r->translator);
    feedback_close(r);
    free(r);
}

struct request *router_take(struct router *r)
{
    struct list *spare = list_last(&r->free);
    if (spare == NULL) {
        struct request *rq = xcalloc(1, sizeof *rq);
        list_init(&rq->link);
        list_push(&r->active, &rq->link);
        return rq;
    }
    list_remove(spare);
    list_push(&r->active, spare);
    return LIST_ENTRY(spare, struct request, link);
}

void router_give(struct router *r, struct request *rq)
{
    list_remove(&rq->link);
    list_push(&r->free, &rq->link);
}

uint64_t router_number(struct router *r)
{
    uint64_t now = clock_wall_us();
    r->number = now > r->number ? now : r->number + 1;
    if (r->options.region)
        feedback_note(&r->options.region->feedback, r->options.slot, r->number);
    return r->number;
}

void router_write_id(const struct router *r, uint64_t number, char id[20])
{
    static const char DIGITS[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's base 32 */
    for (int i = 10; i >= 0; i--, number >>= 5)
        id[i] = DIGITS[number & 31];
    id[11] = DIGITS[r->options.slot >> 5 & 31];
    id[12] = DIGITS[r->options.slot & 31];
    id[13] = '\0';
}

/* xoshiro256**, for ids only. Blackman and Vigna, 2018. */
uint64_t router_random(struct router *r)
{
    uint64_t *s = r->seed, result = s[1] * 5;
    result = (result << 7 | result >> 57) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

struct translator *router_translator(struct router *r, struct err *err)
{
    if (r->translator == NULL)
        r->translator = translator_new(err);
    return r->translator;
}

void router_refresh_vm(struct router *r, struct generation *g)
{
    if (g != r->live || g->vm->used < g->vm->limits.memory / 4 * 3)
        return;
    struct err err = {0};
    struct buf packed = BUF(SIZE_MAX - 1);
    manifest_pack(g->files, &packed);
    struct manifest *files = manifest_unpack(buf_str(&packed), &err);
    struct generation *fresh = files ? generation_load(g->id, files, g->options, &err) : NULL;
    buf_clear(&packed);
    if (fresh == NULL) {
        log_error("generation %u fills its memory and no fresh VM could be built: %s", g->id, err.message);
        return;
    }
    log_warn("generation %u fills its memory (%zu of %zu bytes): new requests get a fresh VM", g->id, g->vm->used,
             g->vm->limits.memory);
    g->is_retired = true;
    router_use(r, fresh);
    generation_release(fresh);
}

static struct str path_of(const struct exchange *x)
{
    struct str path = http_path(exchange_head(x));
    const char *mark = memchr(path.p, '?', path.len);
    return mark ? str_n(path.p, (size_t)(mark - path.p)) : path;
}

static bool refuse(struct router *r, struct exchange *x, int status, const char *code, const char *more, const char *words)
{
    return turnaway(r, x, &(struct turned){.status = status, .code = code, .more = more, .words = words});
}

static bool refuse_path(struct router *r, struct exchange *x, struct str path)
{
    char words[512];
    snprintf(words, sizeof words, "Unknown path " STR_FMT ". wye serves POST %s, %s, " COUNT_PATH ", %s and %s, and GET " MODELS_PATH ".",
             (int)(path.len > 200 ? 200 : path.len), path.p, PATHS[0], PATHS[1], PATHS[2], PATHS[3]);
    return refuse(r, x, 404, "unknown_url", "", words);
}

/* The protocol that is posted to the path; -1: none. */
static int protocol_of(struct str path)
{
    for (int i = 0; i < PATH_COUNT; i++)
        if (str_eq(path, PATHS[i]))
            return i;
    return str_eq(path, COUNT_PATH) ? PROTOCOL_MESSAGES : -1;
}

static bool refuse_method(struct router *r, struct exchange *x, bool is_posted)
{
    return refuse(r, x, 405, "method_not_allowed", is_posted ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n",
                  is_posted ? "Use POST for this path." : "Use GET for " MODELS_PATH ".");
}

/* Before the body is read: path, method, who asks, coding, and room for one more request. */
static bool on_head(void *ctx, struct exchange *x)
{
    struct router *r = ctx;
    const struct http_head *head = exchange_head(x);
    struct str path = path_of(x);
    bool is_posted = protocol_of(path) >= 0;
    if (str_eq(path, FEEDBACK_PATH))
        return feedback_head(r, x) && toll_head(r, x, false);
    if (!is_posted && !str_starts(path, MODELS_PATH))
        return refuse_path(r, x, path);
    if (!str_eq(head->method, is_posted ? "POST" : "GET") && !(str_eq(head->method, "HEAD") && !is_posted))
        return refuse_method(r, x, is_posted);
    if (!toll_head(r, x, is_posted))
        return false;
    struct str coding = http_field(head, "content-encoding");
    if (coding.p && !str_ieq(coding, "identity"))
        return refuse(r, x, 415, "unsupported_encoding", "", "Send the body without Content-Encoding.");
    if (head->framing == HTTP_LENGTH && head->length > r->live->config->limits.body)
        return refuse(r, x, 413, "body_too_large", "", "The body is over limits.body of this server.");
    return !is_posted || admission_enter(r, x);
}

/* Clients write the slash of "provider/name" as %2F. */
static struct str decoded(struct arena *arena, struct str s)
{
    char *out = arena_strndup(arena, s.p, s.len), *end = out;
    for (size_t i = 0; out && i < s.len; i++) {
        unsigned byte;
        bool is_escape = s.p[i] == '%' && i + 2 < s.len && isxdigit((unsigned char)s.p[i + 1]) &&
                         isxdigit((unsigned char)s.p[i + 2]) && sscanf(s.p + i + 1, "%2x", &byte) == 1;
        *end++ = is_escape ? (char)byte : s.p[i];
        i += is_escape ? 2 : 0;
    }
    return str_n(out, (size_t)(end - out));
}

static void on_request(void *ctx, struct exchange *x)
{
    struct router *r = ctx;
    struct str path = path_of(x);
    int protocol = protocol_of(path);
    if (protocol >= 0) {
        if (str_eq(path, COUNT_PATH))
            answer_count(r, x);
        else
            request_start(r, x, (enum protocol)protocol);
        return;
    }
    if (str_eq(path, FEEDBACK_PATH)) {
        feedback_post(r, x);
        return;
    }
    size_t skip = strlen(MODELS_PATH);
    if (path.len > skip && path.p[skip] != '/')
        refuse_path(r, x, path);
    else
        catalogue_answer(r, x, path.len > skip ? decoded(exchange_arena(x), str_n(path.p + skip + 1, path.len - skip - 1)) : str_of(""));
}

static void on_gone(void *ctx, struct exchange *x)
{
    (void)ctx;
    struct request *rq = exchange_owner(x);
    if (rq)
        request_gone(rq);
}

static void on_drained(void *ctx, struct exchange *x)
{
    (void)ctx;
    struct request *rq = exchange_owner(x);
    if (rq)
        request_drained(rq);
}

static bool on_body(void *ctx, struct exchange *x, size_t size)
{
    return admission_grow(ctx, x, size);
}

static void on_over(void *ctx, struct exchange *x)
{
    admission_leave(ctx, x);
}

static void on_refused(void *ctx, struct exchange *x, int status, const char *why)
{
    refuse(ctx, x, status, NULL, "", why);
}

const struct server_app ROUTER_APP = {on_head, on_body, on_request, on_gone, on_drained, on_over, on_refused};
