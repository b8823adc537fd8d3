/* The faults. A broken reply is mostly raw bytes: a head of our own, part of the good body, and an unkind end. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim/sim_reply.h"

enum {
    CHUNKED = -1,
    RAW_CEILING = 64 * 1024 * 1024,
    HUGE = 128 * 1024,
    BYTE_GAP_MS = 20,
    COMMENT_GAP_MS = 50
};

/* The good body, and how much of it is half: streams are halved between two content frames. */
static struct str good_body(const struct sim_reply *r)
{
    return buf_str(r->is_stream ? &r->frames.text : &r->plain);
}

static int half_frames(const struct sim_reply *r)
{
    return r->frames.first + (r->frames.last - r->frames.first) / 2;
}

static struct str half_body(const struct sim_reply *r)
{
    struct str body = good_body(r);
    if (!r->is_stream)
        return str_n(body.p, body.len / 2);
    int count = half_frames(r);
    return str_n(body.p, count ? r->frames.ends[count - 1] : 0);
}

static void put_head(const struct sim_reply *r, struct buf *out, long length, size_t junk)
{
    buf_printf(out, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n", r->type);
    if (junk > 0)
        buf_printf(out, "X-Junk: %0*d\r\n", (int)junk, 0);
    if (length == CHUNKED)
        buf_puts(out, "Transfer-Encoding: chunked\r\n\r\n");
    else
        buf_printf(out, "Content-Length: %ld\r\n\r\n", length);
}

static void put_chunk(struct buf *out, struct str bytes)
{
    buf_printf(out, "%zx\r\n", bytes.len);
    buf_append(out, bytes.p, bytes.len);
    buf_puts(out, "\r\n");
}

/* The reply becomes these bytes; those in [from, to) leave one by one. */
static void become_raw(struct sim_reply *r, struct buf bytes, size_t from, size_t to,
                       enum sim_ending ending)
{
    struct sim_frames frames = {.text = BUF(RAW_CEILING)};
    buf_append(&frames.text, bytes.p, from);
    if (from > 0)
        sim_frames_end(&frames);
    for (size_t i = from; i < to; i++) {
        buf_putc(&frames.text, bytes.p[i]);
        sim_frames_end(&frames);
    }
    buf_append(&frames.text, bytes.p + to, bytes.len - to);
    if (bytes.len > to)
        sim_frames_end(&frames);
    buf_clear(&bytes);
    sim_frames_clear(&r->frames);
    buf_clear(&r->plain);
    r->frames = frames;
    r->frame_gap_ms = to > from ? BYTE_GAP_MS : 0;
    r->content_gap_ms = 0;
    r->play = SIM_PLAY_RAW;
    r->ending = ending;
}

static void become_bytes(struct sim_reply *r, struct buf bytes, enum sim_ending ending)
{
    become_raw(r, bytes, 0, 0, ending);
}

/* A reply that is whole as HTTP. */
static void become_plain(struct sim_reply *r, int status, const char *type, struct str body)
{
    struct buf copy = BUF(RAW_CEILING);
    buf_append(&copy, body.p, body.len);
    sim_frames_clear(&r->frames);
    buf_clear(&r->plain);
    r->plain = copy;
    r->status = status;
    r->type = type;
    r->play = SIM_PLAY_PLAIN;
}

/* A stream that says only this after `frames` good frames. */
static void become_frames(struct sim_reply *r, int frames, struct str more)
{
    struct sim_frames *f = &r->frames;
    f->count = frames;
    f->text.len = frames ? f->ends[frames - 1] : 0;
    f->last = f->last < frames ? f->last : frames;
    if (more.len > 0) {
        buf_append(&f->text, more.p, more.len);
        sim_frames_end(f);
    }
}

/* The reply stops after this much of it. */
static void stop_after(struct sim_reply *r, int frames, struct str plain, enum sim_ending ending)
{
    if (r->is_stream) {
        become_frames(r, frames, str_n("", 0));
        r->ending = ending;
        return;
    }
    struct buf bytes = BUF(RAW_CEILING);
    put_head(r, &bytes, (long)r->plain.len, 0);
    buf_append(&bytes, plain.p, plain.len);
    become_bytes(r, bytes, ending);
}

static void cut(struct sim_reply *r)
{
    struct buf bytes = BUF(RAW_CEILING);
    put_head(r, &bytes, CHUNKED, 0);
    put_chunk(&bytes, half_body(r));
    buf_puts(&bytes, "400\r\ndata: {\"id\":\"chat");
    become_bytes(r, bytes, SIM_ENDS);
}

static void bad_chunk(struct sim_reply *r)
{
    struct buf bytes = BUF(RAW_CEILING);
    put_head(r, &bytes, CHUNKED, 0);
    put_chunk(&bytes, half_body(r));
    buf_puts(&bytes, "zz\r\nwhat\r\n0\r\n\r\n");
    become_bytes(r, bytes, SIM_ENDS);
}

/* The good body under a Content-Length that is `more` too large, behind `junk` bytes of junk in the head. */
static struct buf with_length(struct sim_reply *r, long more, size_t junk, size_t *head)
{
    struct str body = good_body(r);
    struct buf bytes = BUF(RAW_CEILING);
    put_head(r, &bytes, (long)body.len + more, junk);
    *head = bytes.len;
    buf_append(&bytes, body.p, body.len);
    return bytes;
}

static void error_event(struct sim_reply *r, const struct sim_wire *wire, int status, int frames)
{
    struct buf error = BUF(RAW_CEILING);
    const char *message = status == 500 ? "The simulated server had an error while processing your request" : "Overloaded";
    if (r->is_stream) {
        wire->error_frame(&error, status, message);
        become_frames(r, frames, buf_str(&error));
    } else {
        wire->error(&error, status, message, -1);
        become_plain(r, 200, r->type, buf_str(&error));
    }
    buf_clear(&error);
}

static void malformed_json(struct sim_reply *r, const struct sim_wire *wire)
{
    if (r->is_stream)
        become_frames(r, r->frames.first, str_of(wire->broken_frame));
    else
        become_plain(r, 200, r->type, half_body(r));
}

static void keepalives_only(struct sim_reply *r)
{
    const char *blank = r->is_stream ? ": keep-alive\n\n" : " ";
    sim_frames_clear(&r->frames);
    r->frames = (struct sim_frames){.text = BUF(1024)};
    become_frames(r, 0, str_of(blank));
    r->play = SIM_PLAY_STREAM;
    r->frame_gap_ms = COMMENT_GAP_MS;
    r->is_endless = true;
}

static void status_error(struct sim_reply *r, const struct sim_wire *wire,
                         const struct sim_fault *fault)
{
    struct buf error = BUF(4096);
    char message[64];
    snprintf(message, sizeof message, "simulated error %d", fault->status);
    wire->error(&error, fault->status, message, fault->retry_after);
    become_plain(r, fault->status, "application/json", buf_str(&error));
    r->retry_after = fault->retry_after;
    buf_clear(&error);
}

static struct buf text_bytes(const char *text)
{
    struct buf bytes = BUF(RAW_CEILING);
    buf_puts(&bytes, text);
    return bytes;
}

static void nothing(struct sim_reply *r, enum sim_ending ending)
{
    sim_frames_clear(&r->frames);
    r->play = SIM_PLAY_NOTHING;
    r->ending = ending;
}

/* Faults whose reply is whole as HTTP and wrong as a completion. False: not one of these. */
static bool break_content(struct sim_reply *r, const struct sim_wire *wire,
                          const struct sim_fault *fault)
{
    static const char junk[] = "<<< this is no event stream >>>\n{\"half\":\n\n";
    static const char page[] = "<!doctype html><title>Welcome</title><h1>It works</h1>\n";
    switch (fault->kind) {
    case SIM_FAULT_STATUS:
        status_error(r, wire, fault);
        return true;
    case SIM_FAULT_MALFORMED_JSON:
        malformed_json(r, wire);
        return true;
    case SIM_FAULT_MALFORMED_SSE:
        become_plain(r, 200, r->type, str_of(junk));
        return true;
    case SIM_FAULT_EMPTY_BODY:
        become_plain(r, 200, r->type, str_of(""));
        return true;
    case SIM_FAULT_WRONG_CONTENT_TYPE:
        become_plain(r, 200, "text/html", str_of(page));
        return true;
    case SIM_FAULT_ERROR_EVENT:
        error_event(r, wire, 500, 0);
        return true;
    case SIM_FAULT_ERROR_EVENT_MID:
        error_event(r, wire, 500, half_frames(r));
        return true;
    case SIM_FAULT_OVERLOADED_EVENT:
        error_event(r, wire, 529, 0);
        return true;
    case SIM_FAULT_KEEPALIVES_ONLY:
        keepalives_only(r);
        return true;
    default:
        return false; /* content_filter and role_only too: sim.c cuts the answer */
    }
}

/* Faults of a good reply that stops, is reset or is late. */
static bool break_progress(struct sim_reply *r, enum sim_fault_kind kind)
{
    struct buf bytes;
    size_t head;
    switch (kind) {
    case SIM_FAULT_HANG:
        nothing(r, SIM_HANGS);
        return true;
    case SIM_FAULT_RESET:
        nothing(r, SIM_RESETS);
        return true;
    case SIM_FAULT_HANG_FIRST_TOKEN:
        stop_after(r, r->frames.first, str_n("", 0), SIM_HANGS);
        return true;
    case SIM_FAULT_HANG_MID:
        stop_after(r, half_frames(r), half_body(r), SIM_HANGS);
        return true;
    case SIM_FAULT_RESET_MID:
        stop_after(r, half_frames(r), half_body(r), SIM_RESETS);
        return true;
    case SIM_FAULT_SLOW_HEAD:
        bytes = with_length(r, 0, 0, &head);
        become_raw(r, bytes, 0, head, SIM_ENDS);
        return true;
    case SIM_FAULT_SLOW_BYTES:
        bytes = with_length(r, 0, 0, &head);
        become_raw(r, bytes, head, bytes.len, SIM_ENDS);
        return true;
    default:
        return false;
    }
}

/* Faults that are bytes which no server should send, and then a close. */
static void break_framing(struct sim_reply *r, enum sim_fault_kind kind)
{
    size_t head;
    if (kind == SIM_FAULT_CLOSE)
        become_bytes(r, text_bytes(""), SIM_ENDS);
    else if (kind == SIM_FAULT_CUT)
        cut(r);
    else if (kind == SIM_FAULT_BAD_CHUNK)
        bad_chunk(r);
    else if (kind == SIM_FAULT_HUGE_HEAD)
        become_bytes(r, with_length(r, 0, HUGE, &head), SIM_ENDS);
    else if (kind == SIM_FAULT_CL_SHORT)
        become_bytes(r, with_length(r, 100, 0, &head), SIM_ENDS);
    else if (kind == SIM_FAULT_MALFORMED_HTTP)
        become_bytes(r, text_bytes("220 mail.example.com ESMTP\r\n"), SIM_ENDS);
}

void sim_broken_apply(struct sim_reply *r, const struct sim_wire *wire,
                      const struct sim_fault *fault)
{
    if (!break_content(r, wire, fault) && !break_progress(r, fault->kind))
        break_framing(r, fault->kind);
}
