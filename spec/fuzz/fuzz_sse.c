/* Any bytes as an event stream: nothing lost, nothing added, the same events however it is cut. */
#include <stdint.h>
#include <stdlib.h>

#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 600 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void note(struct buf *out, struct str s)
{
    require(buf_printf(out, "%d %zu:", s.p != NULL, s.len) == 0);
    require(buf_append(out, s.p, s.len) == 0);
}

static void note_event(struct buf *out, struct buf *raw, const struct sse_event *e)
{
    require(e->raw.len > 0 && e->raw.len <= LIMIT);
    require(e->is_empty == (e->data.p == NULL));
    require(!e->is_comment || e->is_empty);
    buf_append(raw, e->raw.p, e->raw.len);
    note(out, e->raw);
    note(out, e->name);
    note(out, e->data);
}

/* The stream in pieces of `step`; its events are written to `out`. True when it was read to its end. */
static bool read_stream(const char *p, size_t len, size_t step, struct buf *out)
{
    struct sse s;
    struct sse_event e;
    static struct buf raw = BUF(1 << 24);
    buf_reset(&raw);
    int result = 0;
    size_t at = 0;
    sse_init(&s, LIMIT);
    while (at < len && result == 0) {
        struct str in = str_n(p + at, step < len - at ? step : len - at);
        at += in.len;
        while ((result = sse_next(&s, &in, &e)) > 0)
            note_event(out, &raw, &e);
        at -= in.len;
        require(result < 0 || in.len == 0);
    }
    if (result == 0 && (sse_end(&s, &e) > 0 || sse_rest(&s, &e) > 0))
        note_event(out, &raw, &e);
    buf_append(&raw, sse_pending(&s).p, sse_pending(&s).len);
    buf_append(&raw, p + at, len - at);
    require(raw.len == len && (len == 0 || memcmp(raw.p, p, len) == 0));
    sse_clear(&s);
    return result == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buf one = BUF(1 << 26), other = BUF(1 << 26);
    buf_reset(&one);
    const char *p = (const char *)data;
    const size_t steps[] = {1, 2, size > 0 ? data[size / 2] + 1u : 1};
    bool whole = read_stream(p, size, size + 1, &one);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        buf_reset(&other);
        require(read_stream(p, size, steps[i], &other) == whole);
        require(str_same(buf_str(&one), buf_str(&other)));
    }
    return 0;
}
