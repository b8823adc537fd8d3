#include "serve/capture.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "bind/derive.h"
#include "bind/req.h"
#include "serve/mask.h"
#include "serve/router_state.h"

enum { HEADERS_MAX = 96 * 1024, DECISION_TEXT = 8192 };

static const char *const KIND_NAMES[TAPE_KIND_COUNT] = {
#define X(name, text) text,
    TAPE_KINDS(X)
#undef X
};

static struct trace *trace_of(const struct request *rq)
{
    return rq->router->options.trace;
}

/* ---- what may be kept ---- */

static bool has_word(struct str name, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= name.len; i++)
        if (strncasecmp(name.p + i, word, len) == 0)
            return true;
    return false;
}

static bool is_kept(struct str name)
{
    static const char *const SECRET[] = {"auth", "token", "key", "secret", "cookie", "password", "credential", "signature", "session"};
    for (size_t i = 0; i < sizeof SECRET / sizeof *SECRET; i++)
        if (has_word(name, SECRET[i]))
            return false;
    return !req_is_secret(name);
}

static void write_headers(struct buf *out, const struct http_head *head)
{
    char lower[128], comma = '{';
    for (int i = 0; i < head->count; i++) {
        struct str name = head->fields[i].name;
        if (!is_kept(name) || name.len >= sizeof lower)
            continue;
        for (size_t k = 0; k < name.len; k++)
            lower[k] = (char)tolower((unsigned char)name.p[k]);
        buf_putc(out, comma);
        json_quote(out, str_n(lower, name.len));
        buf_putc(out, ':');
        json_quote(out, head->fields[i].value);
        comma = ',';
    }
    buf_puts(out, comma == '{' ? "{}" : "}");
}

/* Writes `body` without what the masks name. True when something was replaced; what cannot be masked is not kept. */
static bool put_masked(struct event *e, struct request *rq, enum field f, struct str body)
{
    const struct config *c = rq->generation->config;
    if (c->capture.mask_count == 0 || body.len > EVENT_MAX_JSON) {
        event_str(e, f, body); /* the event notes the size of one that is too large */
        return false;
    }
    bool is_json = json_validate(body, NULL) == 0;
    struct buf masked = BUF(body.len * 6 + 64);
    int replaced = (is_json ? mask_json : mask_events)(&masked, body, c->capture.masks, c->capture.mask_count, rq->capture->masked);
    event_str(e, f, replaced < 0 ? str_of("\"not kept\"") : buf_str(&masked));
    buf_clear(&masked);
    return replaced != 0;
}

/* ---- the steps ---- */

static struct event *open_step(struct request *rq, const char *kind)
{
    struct event *e = event_open(trace_of(rq), EVENT_STEP, rq->number);
    event_z(e, F_STEP, kind);
    return e;
}

static void put(struct tape *tape, enum tape_kind kind, struct str key, struct str value)
{
    struct request *rq = ((struct capture *)tape)->request;
    struct event *e = open_step(rq, KIND_NAMES[kind]);
    if (key.len)
        event_str(e, F_TEXT, key);
    event_str(e, F_VALUE, value);
    event_close(e);
}

static void put_key(struct event *e, enum field f, uint64_t key)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, key);
    event_z(e, f, text);
}

static void put_reply(struct event *e, struct request *rq, const struct reply *r, unsigned flags)
{
    static const enum field FIELDS[PRICE_BUCKETS] = {F_INPUT, F_CACHE_READ, F_CACHE_WRITE, F_OUTPUT, F_REASONING};
    event_int(e, F_STATUS, r->status);
    event_int(e, F_US, (int64_t)r->ms * 1000);
    event_num(e, F_USD, r->usd);
    for (int i = 0; r->usage.is_known && i < PRICE_BUCKETS; i++)
        event_int(e, FIELDS[i], r->usage.tokens[i]);
    if (r->err.kind != ERR_NONE) {
        event_z(e, F_ERROR, err_kind_name(r->err.kind));
        event_z(e, F_WHY, r->err.message);
        flags |= r->err.retryable ? STEP_RETRYABLE : 0;
    } else if (put_masked(e, rq, F_REPLY, r->body)) {
        flags |= STEP_MASKED;
    }
    event_int(e, F_FLAGS, flags);
}

void capture_ask(struct request *rq, int n, uint64_t key, const struct reply *reply, unsigned flags)
{
    struct event *e = open_step(rq, "ask");
    event_int(e, F_N, n);
    put_key(e, F_TEXT, key);
    event_z(e, F_MODEL, reply->model->id);
    if (flags & STEP_STOPPED)
        event_int(e, F_FLAGS, flags);
    else
        put_reply(e, rq, reply, flags);
    event_close(e);
}

void capture_sleep(struct request *rq, int n, unsigned flags)
{
    struct event *e = open_step(rq, "sleep");
    event_int(e, F_N, n);
    event_int(e, F_FLAGS, flags);
    event_close(e);
}

void capture_decided(struct request *rq, const struct err *failed)
{
    struct buf text = BUF(DECISION_TEXT);
    uint64_t reply = failed ? 0 : capture_reply_key(&rq->decision);
    struct event *e = open_step(rq, "decided");
    capture_decision(&text, &rq->decision, failed);
    event_str(e, F_VALUE, buf_str(&text));
    if (reply)
        put_key(e, F_TEXT, reply);
    if (!failed)
        event_str(e, F_REASON, rq->decision.reason);
    if (rq->place)
        event_z(e, F_LINE, rq->rule_place ? rq->rule_place : rq->place);
    event_close(e);
    buf_clear(&text);
}

/* ---- keys ---- */

static uint64_t mix(struct str s, uint64_t h)
{
    return s.p ? XXH3_64bits_withSeed(s.p, s.len, h + s.len) : XXH3_64bits_withSeed("", 0, h + 1);
}

static uint64_t mix_edits(const struct json_edit *edits, int count, uint64_t h)
{
    for (int i = 0; i < count; i++)
        h = mix(edits[i].value, mix(str_of(edits[i].name), h));
    return h;
}

static uint64_t model_key(const struct model *m)
{
    const struct derived *d = m->derived;
    uint64_t h = mix(str_of(m->id), 0);
    return d ? mix_edits(d->edits, d->edit_count, mix(d->system, h)) : h;
}

uint64_t capture_ask_key(const struct model *model, const struct ask_options *o)
{
    return mix_edits(o->edits, o->edit_count, mix(o->body, model_key(model) + o->purpose));
}

uint64_t capture_reply_key(const struct decision *d)
{
    return d->kind == DECIDE_REPLY ? XXH3_64bits(d->reply->body.p, d->reply->body.len) : 0;
}

/* ---- a decision in words ---- */

static void write_model(struct buf *out, const struct model *m)
{
    buf_puts(out, m->id);
    if (m->derived)
        buf_printf(out, "#%04x", (unsigned)(model_key(m) & 0xffff));
}

static const char *write_option(struct buf *out, const char *before, const char *name, double value)
{
    if (value == 0)
        return before;
    buf_printf(out, "%s%s %g", before, name, value);
    return ", ";
}

/* Those that differ from what a list has unless it says otherwise. */
static void write_options(struct buf *out, const struct decision *d)
{
    static const char *const ORDERS[] = {"", "cost", "latency", "least_busy"}, *const STICKY[] = {"", "user", "conversation"};
    const char *before = " (", *first = before;
    before = write_option(out, before, "connect", d->deadlines.connect);
    before = write_option(out, before, "first_token", d->deadlines.first_token);
    before = write_option(out, before, "idle", d->deadlines.idle);
    before = write_option(out, before, "attempt", d->deadlines.attempt);
    before = write_option(out, before, "total", d->deadlines.total);
    before = write_option(out, before, "cache", d->cache_s);
    before = write_option(out, before, "next_on", d->next_on == NEXT_ON_DEFAULT ? 0 : d->next_on);
    for (int i = 0; d->weights && i < d->count; i++)
        before = write_option(out, before, "weight", d->weights[i]);
    if (d->order) {
        buf_printf(out, "%sorder %s", before, ORDERS[d->order]);
        before = ", ";
    }
    if (d->sticky) {
        buf_printf(out, "%ssticky %s", before, STICKY[d->sticky]);
        before = ", ";
    }
    if (before != first)
        buf_putc(out, ')');
}

void capture_decision(struct buf *out, const struct decision *d, const struct err *failed)
{
    if (failed) {
        buf_printf(out, "script_error: %s", failed->message);
        return;
    }
    switch (d->kind) {
    case DECIDE_REFUSAL: buf_printf(out, "refuse %d: %s", d->status, d->message.p); break;
    case DECIDE_REPLY: buf_printf(out, "reply of %s", d->reply->model->id); break;
    case DECIDE_MODELS:
        for (int i = 0; i < d->count; i++) {
            buf_puts(out, i ? ", " : "");
            write_model(out, d->models[i]);
        }
        write_options(out, d);
    }
}

/* ---- begin and end ---- */

void capture_begin(struct request *rq)
{
    struct view *v = &rq->scope.view;
    bool is_read = v->message_count || v->last_user.p; /* as far as to what it asks for */
    if (trace_of(rq) == NULL || !is_read || router_random(rq->router) > rq->router->capture_below)
        return;
    struct buf headers = BUF(HEADERS_MAX);
    rq->capture = arena_need(v->arena, sizeof *rq->capture);
    *rq->capture = (struct capture){.tape = {.put = put}, .request = rq, .reply = BUF(CAPTURE_REPLY)};
    rq->capture->masked = arena_need(v->arena, sizeof(bool) * MASK_MOST);
    memset(rq->capture->masked, 0, sizeof(bool) * MASK_MOST);
    rq->scope.tape = &rq->capture->tape;
    write_headers(&headers, v->head);
    struct event *e = event_open(trace_of(rq), EVENT_CAPTURE, rq->number);
    event_int(e, F_CAPTURED, true);
    event_int(e, F_TOKENS, v->tokens);
    event_int(e, F_FLAGS, (int)v->has_image | (int)v->protocol << 1);
    event_str(e, F_HEADERS, buf_str(&headers));
    put_masked(e, rq, F_REQUEST, v->body);
    event_close(e);
    buf_clear(&headers);
}

void capture_reply(struct request *rq, struct str bytes)
{
    struct capture *c = rq->capture;
    size_t room = c->reply.limit - c->reply.len;
    if (c->is_cut || bytes.len == 0)
        return;
    c->is_cut = bytes.len > room;
    buf_append(&c->reply, bytes.p, c->is_cut ? room : bytes.len);
}

void capture_end(struct request *rq)
{
    struct capture *c = rq->capture;
    struct str reply = buf_str(&c->reply);
    const struct config *config = rq->generation->config;
    struct event *e = event_open(trace_of(rq), EVENT_CAPTURE, rq->number);
    if (reply.len)
        put_masked(e, rq, F_REPLY, reply);
    for (int i = 0; i < config->capture.mask_count; i++)
        if (c->masked[i])
            event_z(e, F_MASKED, config->capture.masks[i]);
    event_close(e);
    rq->capture = NULL;
    rq->scope.tape = NULL;
    buf_clear(&c->reply);
}

bool capture_hides(const struct request *rq, struct str text)
{
    static const char *const MEMBERS[] = {"metadata", "prompt_cache_key"};
    const struct config *c = rq->generation->config;
    bool is_header = str_same(http_field(rq->scope.view.head, "x-wye-conversation"), text);
    for (int i = 0; i < c->capture.mask_count && !is_header; i++)
        for (size_t k = 0; k < sizeof MEMBERS / sizeof *MEMBERS; k++)
            if (mask_touches(c->capture.masks[i], MEMBERS[k]))
                return true;
    return false;
}
