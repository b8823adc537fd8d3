#include "trial/decided.h"

#include "base/json.h"
#include "serve/capture.h"
#include "vm/lines.h"

enum { DECISION_TEXT = 8192 };

static const char *const PURPOSE_NAMES[] = {
#define X(name, text) text,
    PURPOSES(X)
#undef X
};

void decided_ask(struct buf *out, const struct trial_ask *ask, int n)
{
    const struct ask_options *o = &ask->options;
    buf_puts(out, "{\"model\":");
    json_quote(out, str_of(ask->model->id));
    buf_printf(out, ",\"n\":%d,\"purpose\":\"%s\",\"where\":", n, PURPOSE_NAMES[o->purpose]);
    json_quote(out, o->where);
    if (o->timeout_ms)
        buf_printf(out, ",\"timeout\":%g", o->timeout_ms / 1000.0);
}

static void member(struct buf *out, const char *name, struct str text)
{
    if (text.p == NULL || text.len == 0)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_quote(out, text);
}

static void write_models(struct buf *out, const struct decision *d)
{
    buf_puts(out, ",\"models\":[");
    for (int i = 0; i < d->count; i++) {
        buf_puts(out, i ? "," : "");
        json_quote(out, str_of(d->models[i]->id));
    }
    buf_puts(out, "]");
}

static void write_act(struct buf *out, struct trial *t)
{
    const struct decision *d = &t->decision;
    if (d->kind == DECIDE_REFUSAL) {
        buf_printf(out, ",\"kind\":\"refusal\",\"status\":%d,\"models\":[]", d->status);
        member(out, "message", d->message);
    } else if (d->kind == DECIDE_REPLY) {
        struct str text = json_text(json_pointer(d->reply->body, "/choices/0/message/content"), &t->arena);
        struct decision one = {.count = 1, .models = {d->reply->model}};
        buf_puts(out, ",\"kind\":\"reply\"");
        member(out, "model", str_of(d->reply->model->id));
        member(out, "text", text);
        write_models(out, &one);
    } else {
        buf_printf(out, ",\"kind\":\"%s\"", d->count > 1 ? "list" : "model");
        member(out, "model", str_of(d->models[0]->id));
        write_models(out, d);
    }
    member(out, "reason", d->reason);
    if (t->place) {
        const struct manifest *files = t->generation->files;
        buf_printf(out, ",\"line\":\"%s/%s:%d\"", manifest_label(files), manifest_path(files, lines_file(t->place)),
                   lines_line(t->place));
    }
}

static void write_said(struct buf *out, struct trial *t, const struct reply *r)
{
    buf_printf(out, ",\"ms\":%u,\"usd\":%.9g", r->ms, r->usd);
    if (r->err.kind != ERR_NONE) {
        member(out, "error", str_of(err_kind_name(r->err.kind)));
        member(out, "message", str_of(r->err.message));
    } else {
        member(out, "text", json_text(json_pointer(r->body, "/choices/0/message/content"), &t->arena));
    }
}

/* In the words of the trace. */
static void write_words(struct buf *out, const struct trial *t)
{
    struct buf words = BUF(DECISION_TEXT);
    capture_decision(&words, &t->decision, t->has_failed ? &t->err : NULL);
    member(out, "decision", buf_str(&words));
    buf_clear(&words);
}

void decided_write(struct buf *out, struct trial *t)
{
    buf_puts(out, "{\"notes\":[");
    for (int i = 0; i < t->note_count; i++) {
        const struct trial_note *n = &t->notes[i];
        buf_puts(out, i ? ",{\"text\":" : "{\"text\":");
        json_quote(out, n->text);
        if (n->data.len)
            buf_printf(out, ",\"data\":" STR_FMT, STR_ARG(n->data));
        member(out, "where", n->where);
        buf_puts(out, "}");
    }
    buf_puts(out, "],\"arms\":[");
    for (int i = 0; i < t->arm_count; i++)
        buf_printf(out, "%s{\"experiment\":\"%s\",\"arm\":\"%s\",\"p\":%.9g}", i ? "," : "", t->arms[i].experiment, t->arms[i].arm, t->arms[i].p);
    buf_puts(out, "],\"asks\":[");
    for (int i = 0; i < t->ask_count; i++) {
        buf_puts(out, i ? "," : "");
        decided_ask(out, &t->asks[i], i + 1);
        write_said(out, t, t->asks[i].reply);
        buf_puts(out, "}");
    }
    buf_puts(out, "]");
    write_words(out, t);
    if (!t->has_failed)
        write_act(out, t);
    else
        member(out, "script_error", str_of(t->err.message));
    buf_puts(out, t->has_failed ? ",\"models\":[]}" : "}");
}
