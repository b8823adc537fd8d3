#include "net/sse.h"

#include <string.h>

#include "net/http_bytes.h"

/* How much is moved at a time into `partial`, most of which may belong to later events. */
enum { STEP = 1024 };

static const char byte_order_mark[] = "\xef\xbb\xbf";

void sse_init(struct sse *s, size_t limit)
{
    if (limit == 0)
        limit = SSE_LIMIT;
    /* One byte more than the limit, so that a CR at the limit still sees its LF. */
    *s = (struct sse){.partial = BUF(limit + 1), .joined = BUF(limit), .limit = limit};
}

void sse_clear(struct sse *s)
{
    buf_clear(&s->partial);
    buf_clear(&s->joined);
}

static const char *find_line_end(const char *p, const char *end)
{
    for (p = http_find_control(p, end); p < end && *p != '\n' && *p != '\r';)
        p = http_find_control(p + 1, end);
    return p;
}

static size_t mark_length(const struct sse *s, struct str frame)
{
    return !s->started && str_starts(frame, byte_order_mark) ? sizeof byte_order_mark - 1 : 0;
}

/* The length of the frame at p up to and including its blank line; 0 when that has not come. */
static size_t find_end(struct sse *s, const char *p, size_t len, bool is_last)
{
    size_t at = s->scanned;
    for (;;) {
        at = (size_t)(find_line_end(p + at, p + len) - p);
        s->scanned = at;
        if (at == len || (p[at] == '\r' && at + 1 == len && !is_last))
            return 0;
        bool is_blank = at == s->line || (s->line == 0 && at == mark_length(s, str_n(p, at)));
        at += p[at] == '\r' && at + 1 < len && p[at + 1] == '\n' ? 2 : 1;
        if (is_blank)
            return at;
        s->line = at;
    }
}

static void add_data(struct sse *s, struct sse_event *event, struct str value)
{
    if (event->data.p == NULL) {
        event->data = value;
        return;
    }
    if (s->joined.len == 0)
        buf_append(&s->joined, event->data.p, event->data.len);
    buf_putc(&s->joined, '\n');
    buf_append(&s->joined, value.p, value.len);
    event->data = buf_str(&s->joined);
}

static void read_line(struct sse *s, struct sse_event *event, struct str line)
{
    const char *colon = memchr(line.p, ':', line.len);
    const char *end = line.p + line.len;
    struct str name = str_n(line.p, colon ? (size_t)(colon - line.p) : line.len);
    const char *value = colon ? colon + 1 : end;
    if (value < end && *value == ' ')
        value++;
    if (str_eq(name, "data"))
        add_data(s, event, str_n(value, (size_t)(end - value)));
    else if (str_eq(name, "event"))
        event->name = str_n(value, (size_t)(end - value));
}

static void read_frame(struct sse *s, struct str raw, struct sse_event *event)
{
    const char *p = raw.p + mark_length(s, raw), *end = raw.p + raw.len;
    int comments = 0, fields = 0;
    *event = (struct sse_event){.raw = raw};
    buf_reset(&s->joined);
    while (p < end) {
        const char *stop = find_line_end(p, end);
        struct str line = str_n(p, (size_t)(stop - p));
        if (line.len > 0 && *line.p == ':') {
            comments++;
        } else if (line.len > 0) {
            fields++;
            read_line(s, event, line);
        }
        p = stop + 1;
    }
    event->is_comment = comments > 0 && fields == 0;
    event->is_empty = event->data.p == NULL;
    s->started = true;
    s->scanned = s->line = 0;
}

/* Hands out the first n bytes of `partial`; what it holds beyond them goes back to *in. */
static int yield_partial(struct sse *s, size_t n, struct str *in, struct sse_event *event)
{
    size_t surplus = s->partial.len - n;
    in->p -= surplus;
    in->len += surplus;
    s->partial.len = n;
    s->is_yielded = true;
    read_frame(s, buf_str(&s->partial), event);
    return 1;
}

static int continue_partial(struct sse *s, struct str *in, struct sse_event *event)
{
    while (in->len > 0) {
        size_t room = s->limit + 1 - s->partial.len;
        size_t step = in->len < STEP ? in->len : STEP;
        if (step > room)
            step = room;
        if (step == 0)
            return -1;
        buf_append(&s->partial, in->p, step);
        in->p += step;
        in->len -= step;
        size_t n = find_end(s, s->partial.p, s->partial.len, false);
        if (n > s->limit)
            return -1;
        if (n > 0)
            return yield_partial(s, n, in, event);
    }
    return s->partial.len > s->limit ? -1 : 0;
}

int sse_next(struct sse *s, struct str *in, struct sse_event *event)
{
    if (s->is_yielded)
        buf_reset(&s->partial);
    s->is_yielded = false;
    if (in->len == 0)
        return 0;
    if (s->partial.len > 0)
        return continue_partial(s, in, event);
    size_t n = find_end(s, in->p, in->len, false);
    if (n > s->limit || (n == 0 && in->len > s->limit))
        return -1;
    size_t taken = n > 0 ? n : in->len;
    if (n > 0)
        read_frame(s, str_n(in->p, n), event);
    else
        buf_append(&s->partial, in->p, taken);
    in->p += taken;
    in->len -= taken;
    return n > 0;
}

int sse_end(struct sse *s, struct sse_event *event)
{
    struct str none = str_of("");
    if (s->is_yielded || s->partial.len == 0 || s->partial.len > s->limit)
        return 0;
    size_t n = find_end(s, s->partial.p, s->partial.len, true);
    return n > 0 ? yield_partial(s, n, &none, event) : 0;
}

int sse_rest(struct sse *s, struct sse_event *event)
{
    struct str none = str_of("");
    if (sse_pending(s).len == 0 || s->partial.len > s->limit)
        return 0;
    read_frame(s, buf_str(&s->partial), event);
    return event->is_empty ? 0 : yield_partial(s, s->partial.len, &none, event);
}

struct str sse_pending(const struct sse *s)
{
    return s->is_yielded ? str_n("", 0) : buf_str(&s->partial);
}
