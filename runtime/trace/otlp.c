#include "trace/otlp.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/version.h"
#include "trace/spanid.h"

enum { KIND_SERVER = 2, KIND_CLIENT = 3, STATUS_ERROR = 2, SERVER_ERRORS = 500 };

/* A list of attributes or events being written. */
struct list {
    struct buf *out;
    int count, bad;
};

static void next(struct list *l)
{
    if (l->count++)
        l->bad |= buf_putc(l->out, ',');
}

static void key(struct list *l, const char *name, const char *type)
{
    next(l);
    l->bad |= buf_printf(l->out, "{\"key\":\"%s\",\"value\":{\"%s\":", name, type);
}

static void put_text(struct list *l, const char *name, struct str text)
{
    if (text.p == NULL)
        return;
    key(l, name, "stringValue");
    l->bad |= json_quote(l->out, text) | buf_puts(l->out, "}}");
}

static void put_int(struct list *l, const char *name, int64_t n)
{
    key(l, name, "intValue");
    l->bad |= buf_printf(l->out, "\"%" PRId64 "\"}}", n);
}

static void put_double(struct list *l, const char *name, double n)
{
    if (!isfinite(n))
        return;
    key(l, name, "doubleValue");
    l->bad |= buf_printf(l->out, "%.15g}}", n);
}

/* A field under its name, by its type; nothing when absent. */
static void put(struct list *l, const char *name, const struct record *r, enum field f)
{
    const struct value *v = record_get(r, f);
    double n;
    if (v == NULL)
        return;
    if (v->kind == KIND_STR) {
        put_text(l, name, v->text);
    } else if (field_types[f] == FIELD_BOOL) {
        key(l, name, "boolValue");
        l->bad |= buf_puts(l->out, v->i ? "true}}" : "false}}");
    } else if (v->kind == KIND_NUM || field_types[f] == FIELD_MS) {
        put_double(l, name, record_number(r, f, &n) ? n : 0);
    } else {
        put_int(l, name, v->i);
    }
}

struct named {
    const char *name;
    enum field field;
};

static void put_all(struct list *l, const struct record *r, const struct named *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(l, names[i].name, r, names[i].field);
}
#define PUT_ALL(l, r, names) put_all(l, r, names, sizeof(names) / sizeof *(names))

/* ---- the parts of a span ---- */

static struct str operation(const struct record *own)
{
    return str_of(str_eq(record_text(own, F_API), "embeddings") ? "embeddings" : "chat");
}

static void open_span(struct list *spans, const struct decision *d, int n, int kind, uint64_t from_us, uint64_t to_us)
{
    const struct record *own = &d->records[0];
    struct buf *out = spans->out;
    char span[SPANID_DIGITS + 1], parent[SPANID_DIGITS + 1] = "";
    struct str id = record_text(own, F_ID), trace = record_text(own, F_TRACE), given = record_text(own, F_PARENT);
    if (n > 0)
        spanid_put(id, 0, parent);
    else if (given.len == SPANID_DIGITS)
        snprintf(parent, sizeof parent, STR_FMT, STR_ARG(given));
    char made[TRACEID_DIGITS + 1];
    if (trace.len != TRACEID_DIGITS) { /* refused by its head, before it had one */
        spanid_put(id, -1, made);
        spanid_put(id, -2, made + SPANID_DIGITS);
        trace = str_of(made);
    }
    next(spans);
    spans->bad |= buf_puts(out, "{\"traceId\":") | json_quote(out, trace);
    spans->bad |= buf_printf(out, ",\"spanId\":\"%s\"", spanid_put(id, n, span));
    if (parent[0])
        spans->bad |= buf_printf(out, ",\"parentSpanId\":\"%s\"", parent);
    spans->bad |= buf_printf(out, ",\"kind\":%d,\"startTimeUnixNano\":\"%" PRIu64 "000\",\"endTimeUnixNano\":\"%" PRIu64 "000\"", kind,
                             from_us, to_us > from_us ? to_us : from_us);
}

static void put_name(struct list *spans, struct str first, struct str second)
{
    char name[256];
    snprintf(name, sizeof name, STR_FMT "%s" STR_FMT, STR_ARG(first), second.p ? " " : "", STR_ARG(second));
    spans->bad |= buf_puts(spans->out, ",\"name\":") | json_quote(spans->out, str_of(name));
}

static void put_status(struct list *spans, bool is_error, struct str words)
{
    if (!is_error)
        return;
    spans->bad |= buf_printf(spans->out, ",\"status\":{\"code\":%d", STATUS_ERROR);
    if (words.p)
        spans->bad |= buf_puts(spans->out, ",\"message\":") | json_quote(spans->out, words);
    spans->bad |= buf_putc(spans->out, '}');
}

static struct list open_list(struct list *spans, const char *name)
{
    spans->bad |= buf_printf(spans->out, ",\"%s\":[", name);
    return (struct list){spans->out, 0, 0};
}

static void close_list(struct list *spans, const struct list *l)
{
    spans->bad |= l->bad | buf_putc(spans->out, ']');
}

/* ---- the decision ---- */

static void put_candidates(struct list *l, const struct decision *d)
{
    const struct record *r;
    struct list items = {l->out, 0, 0};
    if (decision_count(d, GROUP_CANDIDATE) == 0)
        return;
    key(l, "wye.candidates", "arrayValue");
    l->bad |= buf_puts(l->out, "{\"values\":[");
    for (int i = 0; (r = decision_next(d, GROUP_CANDIDATE, &i));) {
        char words[512];
        struct str why = record_text(r, F_WHY);
        snprintf(words, sizeof words, STR_FMT " " STR_FMT "%s" STR_FMT, STR_ARG(record_text(r, F_MODEL)), STR_ARG(record_text(r, F_STATE)),
                 why.p ? ": " : "", STR_ARG(why));
        next(&items);
        items.bad |= buf_puts(l->out, "{\"stringValue\":") | json_quote(l->out, str_of(words)) | buf_putc(l->out, '}');
    }
    l->bad |= items.bad | buf_puts(l->out, "]}}}");
}

static void put_events(struct list *spans, const struct decision *d, enum group g, const char *name, const struct named *names, size_t count,
                       struct list *events)
{
    const struct record *r;
    for (int i = 0; (r = decision_next(d, g, &i));) {
        const struct value *at = record_get(r, F_AT_US);
        next(events);
        events->bad |= buf_printf(spans->out, "{\"timeUnixNano\":\"%" PRIu64 "000\",\"name\":\"%s\"", d->began_us + (at ? (uint64_t)at->i : 0), name);
        struct list attributes = open_list(spans, "attributes");
        put_all(&attributes, r, names, count);
        close_list(spans, &attributes);
        events->bad |= buf_putc(spans->out, '}');
    }
}

static void put_decision(struct list *spans, const struct decision *d)
{
    static const struct named OWN[] = {
        {"gen_ai.request.model", F_REQUESTED}, {"gen_ai.response.model", F_SERVED}, {"gen_ai.conversation.id", F_CONVERSATION},
        {"http.response.status_code", F_STATUS}, {"wye.id", F_ID}, {"wye.api", F_API}, {"wye.route", F_ROUTE},
        {"wye.generation", F_GENERATION}, {"wye.hash", F_HASH}, {"wye.cause", F_CAUSE}, {"wye.reason", F_REASON}, {"wye.line", F_LINE},
        {"wye.error", F_ERROR}, {"wye.why", F_WHY}, {"wye.usd", F_USD}, {"wye.script_us", F_SCRIPT_US}, {"wye.stream", F_STREAM},
        {"wye.key", F_KEY}, {"wye.limit.hit", F_LIMIT_HIT}, {"wye.worker", F_WORKER},
    };
    static const struct named NOTE[] = {{"wye.note.text", F_TEXT}, {"wye.note.data", F_DATA}, {"wye.note.line", F_LINE}};
    static const struct named ARM[] = {{"wye.experiment", F_EXPERIMENT}, {"wye.arm", F_ARM}, {"wye.arm.p", F_P},
                                       {"wye.arm.unit", F_UNIT}, {"wye.arm.source", F_SOURCE}};
    const struct record *own = &d->records[0];
    double status = 0, ms = 0;
    bool is_failed = record_number(own, F_STATUS, &status) && status >= SERVER_ERRORS;
    record_number(own, F_US, &ms);
    open_span(spans, d, 0, KIND_SERVER, d->began_us, d->began_us + (uint64_t)(ms * 1000));
    put_name(spans, operation(own), record_text(own, F_REQUESTED));
    put_status(spans, is_failed, record_text(own, F_WHY));
    struct list attributes = open_list(spans, "attributes");
    put_text(&attributes, "gen_ai.operation.name", operation(own));
    put_text(&attributes, "gen_ai.provider.name", str_of("wye"));
    PUT_ALL(&attributes, own, OWN);
    char code[16];
    snprintf(code, sizeof code, "%.0f", status);
    put_text(&attributes, "error.type", str_of(is_failed ? code : NULL));
    put_candidates(&attributes, d);
    close_list(spans, &attributes);
    struct list events = open_list(spans, "events");
    put_events(spans, d, GROUP_NOTE, "wye.note", NOTE, sizeof NOTE / sizeof *NOTE, &events);
    put_events(spans, d, GROUP_ARM, "wye.arm", ARM, sizeof ARM / sizeof *ARM, &events);
    close_list(spans, &events);
    spans->bad |= buf_putc(spans->out, '}');
}

/* ---- an attempt ---- */

/* All tokens read: the conventions count cached ones in, the trace leaves them aside. */
static void put_input(struct list *l, const struct record *r)
{
    static const enum field READ[] = {F_INPUT, F_CACHE_READ, F_CACHE_WRITE};
    double n, sum = 0;
    for (int i = 0; i < 3; i++)
        sum += record_number(r, READ[i], &n) ? n : 0;
    if (record_get(r, F_INPUT))
        put_int(l, "gen_ai.usage.input_tokens", (int64_t)sum);
}

/* "openai/gpt-5/x" is gpt-5/x of openai. */
static void split(struct str model, struct str *provider, struct str *name)
{
    const char *slash = model.p ? memchr(model.p, '/', model.len) : NULL;
    *provider = slash ? str_n(model.p, (size_t)(slash - model.p)) : str_n(NULL, 0);
    *name = slash ? str_n(slash + 1, model.len - provider->len - 1) : model;
}

static void put_attempt(struct list *spans, const struct decision *d, const struct record *r)
{
    static const struct named OWN[] = {
        {"gen_ai.usage.output_tokens", F_OUTPUT}, {"gen_ai.usage.cache_read.input_tokens", F_CACHE_READ},
        {"gen_ai.usage.cache_creation.input_tokens", F_CACHE_WRITE}, {"gen_ai.usage.reasoning.output_tokens", F_REASONING},
        {"http.response.status_code", F_STATUS}, {"error.type", F_ERROR}, {"wye.model", F_MODEL}, {"wye.attempt", F_N},
        {"wye.purpose", F_PURPOSE}, {"wye.completion", F_COMPLETION}, {"wye.next", F_NEXT}, {"wye.served", F_DID_SERVE},
        {"wye.ttft_ms", F_TTFT_US}, {"wye.usd", F_USD}, {"wye.line", F_LINE},
    };
    const struct value *n = record_get(r, F_N), *at = record_get(r, F_AT_US);
    struct str provider, name;
    double ms = 0;
    uint64_t from = d->began_us + (at && at->i > 0 ? (uint64_t)at->i : 0);
    record_number(r, F_US, &ms);
    split(record_text(r, F_MODEL), &provider, &name);
    open_span(spans, d, n ? (int)n->i : 1, KIND_CLIENT, from, from + (uint64_t)(ms * 1000));
    put_name(spans, operation(&d->records[0]), name);
    put_status(spans, record_get(r, F_ERROR) != NULL, record_text(r, F_WHY));
    struct list attributes = open_list(spans, "attributes");
    put_text(&attributes, "gen_ai.operation.name", operation(&d->records[0]));
    put_text(&attributes, "gen_ai.provider.name", provider);
    put_text(&attributes, "gen_ai.request.model", name);
    put_input(&attributes, r);
    PUT_ALL(&attributes, r, OWN);
    close_list(spans, &attributes);
    spans->bad |= buf_putc(spans->out, '}');
}

static bool is_given(const struct otlp_attribute *own, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(own[i].name, name) == 0)
            return true;
    return false;
}

int otlp_open(struct buf *out, const struct otlp_attribute *own, int count)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    const struct otlp_attribute usual[] = {{"service.name", "wye"}, {"service.version", WYE_VERSION}, {"host.name", host}};
    struct list attributes = {out, 0, buf_puts(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[")};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!is_given(own, count, usual[i].name))
            put_text(&attributes, usual[i].name, str_of(usual[i].value));
    for (int i = 0; i < count; i++)
        put_text(&attributes, own[i].name, str_of(own[i].value));
    return attributes.bad | buf_puts(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"wye\",\"version\":\"" WYE_VERSION "\"},\"spans\":[");
}

int otlp_spans(struct buf *out, const struct decision *d, bool is_first)
{
    const struct record *r;
    struct list spans = {out, !is_first, 0};
    size_t before = out->len;
    if (record_text(&d->records[0], F_ID).p == NULL)
        return 0; /* its beginning is no longer kept */
    put_decision(&spans, d);
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));)
        put_attempt(&spans, d, r);
    if (spans.bad)
        out->len = before;
    return spans.bad ? -1 : spans.count - !is_first;
}

int otlp_close(struct buf *out)
{
    return buf_puts(out, "]}]}]}");
}
