#include "serve/outbound.h"

#include <stddef.h>

#include "bind/derive.h"
#include "bind/translation.h"
#include "serve/body.h"
#include "serve/journal.h"
#include "serve/router_state.h"
#include "serve/signing.h"
#include "serve/traceparent.h"

static const struct wire *const NATIVE[] = {
    [PROTOCOL_CHAT] = &WIRE_CHAT,
    [PROTOCOL_MESSAGES] = &WIRE_MESSAGES,
    [PROTOCOL_RESPONSES] = &WIRE_RESPONSES,
    [PROTOCOL_EMBEDDINGS] = &WIRE_EMBEDDINGS,
};

/* What translations to a provider of each kind speak. */
static const struct {
    const char *adapter;
    const struct wire *wire;
} TRANSLATED[] = {
    [KIND_OPENAI] = {"openai", &WIRE_CHAT},       [KIND_ANTHROPIC] = {"anthropic", &WIRE_MESSAGES},
    [KIND_GEMINI] = {"gemini", &WIRE_GEMINI},     [KIND_AZURE] = {"azure", &WIRE_CHAT},
    [KIND_BEDROCK] = {"bedrock", &WIRE_BEDROCK},  [KIND_SIM] = {"openai", &WIRE_CHAT},
};

static bool is_native(const struct provider *p, enum provider_kind kind, enum protocol protocol)
{
    switch (kind) {
    case KIND_OPENAI:
    case KIND_AZURE: return protocol == PROTOCOL_RESPONSES ? p->responses != 0 : protocol != PROTOCOL_MESSAGES;
    case KIND_SIM: return protocol == PROTOCOL_CHAT || protocol == PROTOCOL_EMBEDDINGS;
    case KIND_ANTHROPIC: return protocol == PROTOCOL_MESSAGES;
    default: return false;
    }
}

/* A signature that another family of providers made, as scripts/inbound/provenance.lua marks it: this provider would refuse it, a translation leaves it out. */
static bool has_foreign_signature(struct str body)
{
    const char *end = body.p + body.len;
    for (const char *p = body.p; (p = memchr(p, '~', (size_t)(end - p))); p++)
        if (p > body.p && p[-1] == '"' && end - p > 5 && memcmp(p, "~wye.", 5) == 0)
            return true;
    return false;
}

static bool can_carry_signatures(enum protocol protocol)
{
    return protocol == PROTOCOL_MESSAGES || protocol == PROTOCOL_RESPONSES;
}

/* ---- as the client wrote it ---- */

static struct str native_path(const struct attempt *a, enum protocol protocol)
{
    static const char *const PATHS[] = {"/chat/completions", "/v1/messages", "/responses", "/embeddings"};
    const struct provider *p = a->model->provider;
    struct arena *arena = a->request->scope.view.arena;
    if (generation_kind(a->request->generation, p) != KIND_AZURE || p->api_version == NULL)
        return str_of(PATHS[protocol]);
    if (protocol == PROTOCOL_RESPONSES)
        return arena_join(arena, "/openai/responses?api-version=", p->api_version, (char *)NULL);
    return arena_join(arena, "/openai/deployments/", a->model->name, PATHS[protocol], "?api-version=", p->api_version, (char *)NULL);
}

/* The fields of a client that its provider reads, and nobody in between. */
static struct str passed_fields(const struct attempt *a, struct str fields)
{
    static const char *const PASSED[] = {"anthropic-version", "anthropic-beta", "openai-beta"};
    const struct view *v = &a->request->scope.view;
    for (int i = 0; i < 3; i++) {
        struct str value = http_field(v->head, PASSED[i]);
        const char *copy = value.p && i != (v->protocol == PROTOCOL_MESSAGES ? 2 : 0) ? arena_strndup(v->arena, value.p, value.len) : NULL;
        if (copy)
            fields = arena_join(v->arena, fields.p, PASSED[i], ": ", copy, "\r\n", (char *)NULL);
    }
    return fields;
}

static bool has_version(const struct attempt *a)
{
    const struct view *v = &a->request->scope.view;
    return a->translation == NULL && v->protocol == PROTOCOL_MESSAGES && http_field(v->head, "anthropic-version").p;
}

static void set_fields(struct attempt *a, enum provider_kind kind, struct call_request *call)
{
    struct arena *arena = a->request->scope.view.arena;
    call->fields = str_of(a->credential->fields);
    if (kind == KIND_ANTHROPIC && !has_version(a))
        call->fields = arena_join(arena, call->fields.p, "anthropic-version: 2023-06-01\r\n", (char *)NULL);
    if (a->translation == NULL && (a->wire == &WIRE_MESSAGES || a->wire == &WIRE_RESPONSES))
        call->fields = passed_fields(a, call->fields);
    call->fields = traceparent_fields(a, call->fields);
}

static bool has_version_in_url(const struct provider *p)
{
    return p->base_url && strstr(p->base_url, "/v1");
}

/* Some write the API's version into base_url and some leave it out: it is in the address once. */
static struct str fitting(const struct attempt *a, enum provider_kind kind, struct str path)
{
    const struct provider *p = a->model->provider;
    if (kind == KIND_ANTHROPIC && has_version_in_url(p) && str_starts(path, "/v1/"))
        return str_n(path.p + 3, path.len - 3);
    if (kind == KIND_GEMINI && !has_version_in_url(p))
        return arena_join(a->request->scope.view.arena, "/v1beta", path.p, (char *)NULL);
    return path;
}

static int splice(struct attempt *a, struct call_request *call)
{
    struct iovec *pieces;
    call->body_count = body_splice(a, &pieces);
    call->body = pieces;
    return call->body_count < 0 ? err_set(&a->err, ERR_LIMIT, "the request's memory is used up") : 0;
}

/* ---- translated ---- */

static struct str joined(struct arena *arena, const struct iovec *pieces, int count)
{
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += pieces[i].iov_len;
    char *text = arena_alloc(arena, len), *at = text;
    for (int i = 0; text && i < count; at += pieces[i++].iov_len)
        memcpy(at, pieces[i].iov_base, pieces[i].iov_len);
    return str_n(text, text ? len : 0);
}

/* The client's body as it is, or with the edits of the ask, of the model or of a continuation. */
static struct str source(struct attempt *a, bool is_edited)
{
    struct view *v = &a->request->scope.view;
    struct iovec *pieces;
    if (!is_edited)
        return v->body;
    int count = body_splice(a, &pieces);
    struct str text = count < 0 ? str_n(NULL, 0) : joined(v->arena, pieces, count);
    if (text.p == NULL)
        err_set(&a->err, ERR_LIMIT, "the request's memory is used up");
    return text;
}

static void note_dropped(struct attempt *a)
{
    struct arena *arena = a->request->scope.view.arena;
    for (int i = 0; i < a->translation->dropped_count; i++) {
        struct str words = arena_join(arena, "dropped: ", a->translation->dropped[i], " (", a->model->id, ")", (char *)NULL);
        journal_note(a->request, words, str_n(NULL, 0), a->options.where.p ? a->options.where : str_of(""));
    }
}

static int translate(struct attempt *a, enum provider_kind kind, bool is_edited, struct call_request *call)
{
    struct view *v = &a->request->scope.view;
    const struct provider *p = a->model->provider;
    bool is_asked = a->options.purpose != PURPOSE_SERVE;
    struct translator *host = router_translator(a->request->router, &a->err);
    struct str text = host ? source(a, is_edited) : str_n(NULL, 0);
    struct translation_from from = {
        .client = is_asked ? PROTOCOL_NAMES[PROTOCOL_CHAT] : PROTOCOL_NAMES[v->protocol],
        .shape = is_asked ? PROTOCOL_NAMES[PROTOCOL_CHAT] : PROTOCOL_NAMES[v->protocol],
        .provider = TRANSLATED[kind].adapter,
        .model = a->model->name,
        .base_url = p->base_url,
        .api_version = p->api_version,
        .stream = a->options.stream,
        .text = text,
    };
    if (text.p == NULL)
        return -1;
    a->wire = TRANSLATED[kind].wire;
    a->translation = translation_open(host, &from, v->arena, &a->param, &a->err);
    if (a->translation == NULL)
        return -1;
    a->adds_usage = false; /* the client's adapter says what it reads of the usage */
    note_dropped(a);
    struct iovec *piece = arena_need(v->arena, sizeof *piece);
    *piece = (struct iovec){(void *)a->translation->body.p, a->translation->body.len};
    call->path = a->translation->path;
    call->body = piece;
    call->body_count = 1;
    return 0;
}

const char *outbound_id_field(const struct attempt *a, const struct http_head *head)
{
    enum { LONGEST = 200 };
    struct view *v = &a->request->scope.view;
    const char *name = a->wire == &WIRE_MESSAGES ? "request-id" : a->wire == &WIRE_BEDROCK ? "x-amzn-requestid" : "x-request-id";
    struct str id = a->options.purpose == PURPOSE_SERVE ? http_field(head, name) : str_n(NULL, 0);
    const char *copy = id.p && id.len <= LONGEST ? arena_strndup(v->arena, id.p, id.len) : NULL;
    if (copy == NULL)
        return "";
    return arena_join(v->arena, v->protocol == PROTOCOL_MESSAGES ? "request-id: " : "x-request-id: ", copy, "\r\n", (char *)NULL).p;
}

int outbound_prepare(struct attempt *a, struct call_request *call)
{
    struct view *v = &a->request->scope.view;
    const struct provider *p = a->model->provider;
    enum provider_kind kind = generation_kind(a->request->generation, p);
    bool is_asked = a->options.purpose != PURPOSE_SERVE;
    bool is_edited = is_asked || a->model->derived || a->options.edit_count;
    enum protocol protocol = is_asked ? PROTOCOL_CHAT : v->protocol;
    bool passes = is_native(p, kind, protocol) && !(can_carry_signatures(protocol) && has_foreign_signature(v->body));
    if (is_asked && a->options.body.p == NULL && view_chat(v, &a->err) < 0)
        return -1;
    if (passes) {
        a->wire = NATIVE[protocol];
        call->path = native_path(a, protocol);
    }
    if ((passes ? splice(a, call) : translate(a, kind, is_edited, call)) < 0)
        return -1;
    set_fields(a, kind, call);
    call->path = fitting(a, kind, call->path);
    return kind == KIND_BEDROCK ? signing_add(a, call) : 0;
}

struct str outbound_chat_by(struct translator *host, struct view *v, struct err *err)
{
    const char *name = PROTOCOL_NAMES[v->protocol], *param;
    struct translation_from from = {.client = name, .shape = name, .provider = "openai", .stream = v->stream, .text = v->body};
    from.model = arena_strndup(v->arena, v->model.p, v->model.len);
    struct translation *t = from.model ? translation_open(host, &from, v->arena, &param, err) : NULL;
    struct str chat = t ? t->body : str_n(NULL, 0);
    translation_close(t);
    return chat;
}

struct str outbound_chat(struct view *v, struct err *err)
{
    struct request *rq = (struct request *)((char *)v - offsetof(struct request, scope.view));
    struct translator *host = router_translator(rq->router, err);
    return host ? outbound_chat_by(host, v, err) : str_n(NULL, 0);
}
