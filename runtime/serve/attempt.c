#include "serve/attempt.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/answered.h"
#include "serve/budget.h"
#include "serve/journal.h"
#include "serve/keyring.h"
#include "serve/outbound.h"
#include "serve/router_state.h"
#include "serve/usage.h"
#include "serve/vitals.h"

enum { MAX_REPLY = 32 << 20, MAX_HELD = 256 << 10, MAX_PIECES = 32, DONE_GRACE_MS = 500 };

static void finish(struct attempt *a)
{
    a->call = NULL;
    a->ended_ns = clock_ns();
    if (a->first_ns == 0 && a->err.kind == ERR_NONE)
        a->first_ns = a->ended_ns;
    a->usd = usage_usd(&a->usage, a->model);
    if (a->options.purpose == PURPOSE_SERVE) /* asks do not use the timer, and may end while a model serves */
        timer_cancel(&a->request->content);
    vitals_ended(a);
    budget_ended(a);
    if (a->request->run)
        answered_ended(a->request->run);
    a->options.events->done(a);
}

/* Stops the call if it runs. Returns false so that a frame's reader can end with it. */
static bool fail(struct attempt *a)
{
    if (a->call)
        a->request->router->options.transport->cancel(a->call);
    finish(a);
    return false;
}

static void commit(struct attempt *a)
{
    a->is_committed = true;
    a->first_ns = clock_ns();
    vitals_committed(a);
    a->options.events->commit(a);
    if (a->held.len > 0)
        a->options.events->frame(a, buf_str(&a->held));
    buf_reset(&a->held);
}

static bool pass(struct attempt *a, struct str bytes)
{
    if (a->is_committed) {
        a->options.events->frame(a, bytes);
        return true;
    }
    if (buf_append(&a->held, bytes.p, bytes.len) == 0)
        return true;
    err_set(&a->err, ERR_MALFORMED, "no content within the first %d KiB of the stream", MAX_HELD >> 10);
    return fail(a);
}

/* The frame without the null `usage` that the client did not ask for. */
static bool pass_without_usage(struct attempt *a, struct str data)
{
    struct iovec pieces[MAX_PIECES];
    struct json_edit edit = {"usage", {NULL, 0}};
    struct buf frame = BUF(SSE_LIMIT * 2);
    int count = json_splice(data, &edit, 1, a->request->scope.view.arena, pieces, MAX_PIECES);
    buf_puts(&frame, "data: ");
    for (int i = 0; i < count; i++)
        buf_append(&frame, pieces[i].iov_base, pieces[i].iov_len);
    buf_puts(&frame, "\n\n");
    bool goes_on = pass(a, buf_str(&frame));
    buf_clear(&frame);
    return goes_on;
}

static struct str trimmed(struct str s)
{
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Appends what the client reads for the event: its own bytes, or their translation. */
static int turn(struct attempt *a, struct str name, struct str data, struct buf *out)
{
    return translation_event(a->translation, name, data, out, &a->err);
}

static bool take_last(struct attempt *a, struct str name, struct str data, struct str raw)
{
    a->is_done_frame = true;
    if (!a->is_committed)
        commit(a);
    timer_set(&a->request->content, DONE_GRACE_MS); /* the end of the reply should come with it */
    if (a->translation == NULL)
        buf_append(&a->held, raw.p, raw.len);
    else if ((!str_eq(data, "[DONE]") && turn(a, name, data, &a->held) < 0) || translation_end(a->translation, &a->held, &a->err) < 0)
        return fail(a);
    return true;
}

static bool pass_translated(struct attempt *a, struct str name, struct str data)
{
    struct buf out = BUF(MAX_REPLY);
    bool goes_on = turn(a, name, data, &out) < 0 ? fail(a) : out.len == 0 || pass(a, buf_str(&out));
    buf_clear(&out);
    return goes_on;
}

/* The provider's own words for what broke a stream of the client's protocol are the client's, and what follows them. */
static bool fail_in_stream(struct attempt *a, struct str raw)
{
    if (!a->is_committed || a->translation || a->err.kind == ERR_MALFORMED)
        return fail(a);
    buf_append(&a->held, raw.p, raw.len);
    a->is_done_frame = true;
    timer_set(&a->request->content, DONE_GRACE_MS);
    return true;
}

/* False when the attempt ended: `a` must not be touched then. */
static bool take_event(struct attempt *a, struct str name, struct str data, struct str raw)
{
    if (a->is_done_frame) {
        if (a->translation == NULL)
            buf_append(&a->held, raw.p, raw.len);
        return true;
    }
    data = trimmed(data);
    if (data.len == 0)
        return a->translation ? true : pass(a, raw);
    struct frame f = a->wire->frame(name, data, &a->usage, &a->err);
    a->has_chunks = true;
    if (f.kind == FRAME_BAD || f.kind == FRAME_ERROR)
        return fail_in_stream(a, raw);
    a->is_finished = a->is_finished || f.is_finish;
    if (f.is_last)
        return take_last(a, name, data, raw);
    if (f.kind == FRAME_CONTENT) {
        if (!a->is_committed)
            commit(a);
        timer_set(&a->request->content, a->options.idle_ms);
    }
    if (a->translation)
        return pass_translated(a, name, data);
    if (a->adds_usage && f.kind == FRAME_USAGE)
        return true;
    if (a->adds_usage && f.has_null_usage)
        return pass_without_usage(a, data);
    return pass(a, raw);
}

static void read_sse(struct attempt *a, struct str bytes)
{
    struct sse_event event;
    int n;
    while ((n = sse_next(&a->sse, &bytes, &event)) > 0)
        if (!take_event(a, event.name, event.data, event.raw))
            return;
    if (n < 0) {
        err_set(&a->err, ERR_MALFORMED, "a frame of the stream is over %d KiB", SSE_LIMIT >> 10);
        fail(a);
    }
}

static void read_eventstream(struct attempt *a, struct str bytes)
{
    struct eventstream_message m;
    int n;
    while ((n = eventstream_next(&a->eventstream, &bytes, &m)) > 0)
        if (!take_event(a, m.kind == EVENTSTREAM_ERROR ? str_of("error") : m.name, m.data, m.raw))
            return;
    if (n < 0) {
        err_set(&a->err, ERR_MALFORMED, "the stream is broken: %s", a->eventstream.problem);
        fail(a);
    }
}

static void on_body(void *ctx, struct str bytes)
{
    struct attempt *a = ctx;
    if (!a->is_sse) {
        if (buf_append(&a->body, bytes.p, bytes.len) == 0)
            return;
        err_set(&a->err, ERR_MALFORMED, "the reply is over %d MiB", MAX_REPLY >> 20);
        fail(a);
        return;
    }
    if (a->is_binary)
        read_eventstream(a, bytes);
    else
        read_sse(a, bytes);
}

static bool is_type(struct str type, const char *wanted)
{
    size_t n = strlen(wanted);
    return type.len >= n && strncasecmp(type.p, wanted, n) == 0;
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct attempt *a = ctx;
    struct arena *arena = a->request->scope.view.arena;
    struct str type = http_field(head, "content-type");
    a->status = head->status;
    a->id_field = outbound_id_field(a, head);
    bool is_stream = a->options.stream && a->status == 200;
    a->is_binary = is_stream && a->wire == &WIRE_BEDROCK && is_type(type, "application/vnd.amazon.eventstream");
    a->is_sse = a->is_binary || (is_stream && is_type(type, "text/event-stream"));
    if (a->is_binary)
        eventstream_init(&a->eventstream, 0);
    else if (a->is_sse)
        sse_init(&a->sse, 0);
    if (a->is_sse)
        return;
    if (a->status >= 400)
        a->hint = hint_read(head);
    struct str retry_after = http_field(head, "retry-after");
    a->content_type = arena_str(arena, type);
    if (retry_after.p)
        a->retry_after = arena_str(arena, retry_after);
}

static bool is_whole(struct str data)
{
    return str_eq(data, "[DONE]") || json_validate(data, NULL) == 0;
}

/* What came behind the last whole event; {"", 0} when the stream ended between two. False when the attempt ended. */
static bool end_events(struct attempt *a, struct str *rest)
{
    struct sse_event event;
    *rest = str_of("");
    if (a->is_binary) {
        *rest = str_of(eventstream_is_cut(&a->eventstream) ? "cut" : "");
        return true;
    }
    if (sse_end(&a->sse, &event) > 0 && !take_event(a, event.name, event.data, event.raw))
        return false;
    *rest = trimmed(sse_pending(&a->sse));
    if (sse_rest(&a->sse, &event) == 0 || !is_whole(trimmed(event.data)))
        return true;
    *rest = str_of("");
    return take_event(a, event.name, event.data, event.raw);
}

static void end_stream(struct attempt *a)
{
    struct str rest;
    if (!end_events(a, &rest))
        return;
    if (!a->is_done_frame && !a->has_chunks && rest.len == 0)
        err_set(&a->err, ERR_MALFORMED, "the stream ended without a single event");
    else if (!a->is_done_frame && (!a->is_finished || rest.len > 0))
        err_set(&a->err, ERR_CUT, "the stream ended before it was complete");
    else if (!a->is_done_frame && a->translation)
        translation_end(a->translation, &a->held, &a->err);
    finish(a);
}

static int translate_body(struct attempt *a)
{
    struct buf turned = BUF(MAX_REPLY);
    if (a->options.stream && a->request->scope.view.protocol != PROTOCOL_CHAT)
        return err_set(&a->err, ERR_MALFORMED, "the provider answered a request for a stream with a whole reply");
    if (a->translation == NULL)
        return 0;
    int result = translation_reply(a->translation, buf_str(&a->body), &turned, &a->err);
    buf_clear(&a->body);
    a->body = turned;
    return result;
}

static void end_body(struct attempt *a)
{
    if (a->status != 200) {
        wire_error(a->status, buf_str(&a->body), &a->err);
        hint_read_body(&a->hint, buf_str(&a->body));
    } else if (a->wire->reply(buf_str(&a->body), &a->usage, &a->err) == 0) {
        translate_body(a);
    }
    finish(a);
}

static void on_end(void *ctx)
{
    struct attempt *a = ctx;
    a->call = NULL;
    if (a->is_sse)
        end_stream(a);
    else
        end_body(a);
}

static void on_failed(void *ctx, const struct err *err)
{
    struct attempt *a = ctx;
    a->call = NULL;
    if (!a->is_done_frame) /* else complete but for the connection's end */
        a->err = *err;
    finish(a);
}

static const struct call_events CALL_EVENTS = {on_head, on_body, on_end, on_failed};

void attempt_timed_out(struct attempt *a)
{
    if (a->is_done_frame) {
        fail(a);
        return;
    }
    if (a->is_committed)
        err_set(&a->err, ERR_TIMEOUT, "no content for %u ms (idle)", a->options.idle_ms);
    else
        err_set(&a->err, ERR_TIMEOUT, "no content within %u ms (first_token)", a->options.first_token_ms);
    fail(a);
}

void attempt_pause(struct attempt *a)
{
    if (a->call == NULL)
        return;
    a->request->router->options.transport->pause(a->call);
    if (!a->is_done_frame)
        timer_cancel(&a->request->content);
}

void attempt_resume(struct attempt *a)
{
    if (a->call == NULL)
        return;
    if (!a->is_done_frame)
        timer_set(&a->request->content, a->options.idle_ms);
    a->request->router->options.transport->resume(a->call);
}

static struct attempt *new_attempt(struct request *rq, const struct model *model)
{
    struct attempt *a = arena_need(rq->scope.view.arena, sizeof *a);
    a->request = rq;
    a->model = model;
    a->n = ++rq->attempts;
    a->started_ns = clock_ns();
    a->hint = (struct hint){-1, -1};
    a->held = BUF(MAX_HELD);
    a->body = BUF(MAX_REPLY);
    return a;
}

/* Its err tells why. */
static struct attempt *refused(struct attempt *a)
{
    a->ended_ns = a->started_ns;
    journal_attempt_start(a->request, a);
    return a;
}

struct attempt *attempt_start(struct request *rq, const struct model *model, const struct attempt_options *options,
                              void *owner)
{
    struct attempt *a = new_attempt(rq, model);
    a->options = *options;
    a->options.attempt_ms = budget_ms(rq, options->attempt_ms);
    a->owner = owner;
    if ((rq->run ? answered_admit(rq, model, &a->err) : toll_reserve(rq, model, &a->err)) < 0)
        return refused(a);
    keyring_use(a);
    struct call_request call = {
        .method = "POST",
        .deadlines = {.connect = options->connect_ms,
                      .head = options->stream ? options->first_token_ms : 0,
                      .total = a->options.attempt_ms},
    };
    if (outbound_prepare(a, &call) < 0)
        return refused(a);
    journal_attempt_start(rq, a);
    if (options->stream)
        timer_set(&rq->content, options->first_token_ms);
    struct transport *t = rq->router->options.transport;
    vitals_began(a);
    budget_began(a);
    if (rq->run)
        answered_began(rq->run);
    int provider = (int)(model->provider - rq->generation->config->providers);
    a->call = t->start(t, &rq->generation->endpoints[provider], &call, &CALL_EVENTS, a);
    return a;
}

struct attempt *attempt_refused(struct request *rq, const struct model *model, enum purpose purpose,
                                const char *why)
{
    struct attempt *a = new_attempt(rq, model);
    a->options.purpose = purpose;
    err_set(&a->err, ERR_AUTH, "%s", why);
    return refused(a);
}

struct attempt *attempt_unmade(struct request *rq, const struct model *model, enum purpose purpose, const struct err *why)
{
    struct attempt *a = new_attempt(rq, model);
    a->n = 0;
    rq->attempts--;
    a->options.purpose = purpose;
    a->ended_ns = a->started_ns;
    a->err = *why;
    return a;
}

void attempt_cancel(struct attempt *a, enum err_kind kind, const char *why)
{
    if (a->call == NULL)
        return;
    a->request->router->options.transport->cancel(a->call);
    a->call = NULL;
    a->ended_ns = clock_ns();
    a->usd = usage_usd(&a->usage, a->model);
    err_set(&a->err, kind, "%s", why);
    vitals_ended(a);
    budget_ended(a);
    if (a->request->run)
        answered_ended(a->request->run);
    if (a->options.purpose == PURPOSE_SERVE)
        timer_cancel(&a->request->content);
}

void attempt_clear(struct attempt *a)
{
    if (a->is_binary)
        eventstream_clear(&a->eventstream);
    else if (a->is_sse)
        sse_clear(&a->sse);
    translation_close(a->translation);
    buf_clear(&a->held);
    buf_clear(&a->body);
}

unsigned attempt_ms(const struct attempt *a)
{
    return (unsigned)((a->ended_ns - a->started_ns) / 1000000);
}
