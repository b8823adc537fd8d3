#include "net/eventstream.h"

#include <stdint.h>

enum { PRELUDE = 12, CRC = 4, SMALLEST = PRELUDE + CRC };

/* Bytes after a header's name and type, by type; -1: a two-byte length and that many. */
static const int value_sizes[] = {0, 0, 1, 2, 4, 8, -1, -1, 8, 16};
enum { TYPE_STRING = 7 };

/* CRC-32 of IEEE 802.3, four bits at a time: the streams are small, and a table of 64 bytes stays in the cache. */
static uint32_t crc32_of(const char *p, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)p[i];
        crc = table[crc & 15] ^ (crc >> 4);
        crc = table[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

static uint32_t read_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static size_t read_u16(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (size_t)b[0] << 8 | b[1];
}

void eventstream_init(struct eventstream *s, size_t limit)
{
    if (limit == 0)
        limit = EVENTSTREAM_LIMIT;
    *s = (struct eventstream){.partial = BUF(limit < PRELUDE ? PRELUDE : limit), .limit = limit};
}

void eventstream_clear(struct eventstream *s)
{
    buf_clear(&s->partial);
}

static int fail(struct eventstream *s, const char *problem)
{
    s->problem = problem;
    return -1;
}

/* What the headers say, all of them but the strings that we know skipped. */
struct headers {
    struct str message_type, event_type, exception_type, error_code, error_message;
};

static void keep(struct headers *h, struct str name, struct str value)
{
    if (str_eq(name, ":message-type"))
        h->message_type = value;
    else if (str_eq(name, ":event-type"))
        h->event_type = value;
    else if (str_eq(name, ":exception-type"))
        h->exception_type = value;
    else if (str_eq(name, ":error-code"))
        h->error_code = value;
    else if (str_eq(name, ":error-message"))
        h->error_message = value;
}

/* Takes one header from the front of `in`; false when it is not one. */
static bool read_header(struct str *in, struct headers *h)
{
    const char *p = in->p, *end = in->p + in->len;
    size_t length = (unsigned char)*p++;
    if (length == 0 || (size_t)(end - p) < length + 1)
        return false;
    struct str name = str_n(p, length);
    size_t type = (unsigned char)p[length];
    p += length + 1;
    if (type >= sizeof value_sizes / sizeof *value_sizes)
        return false;
    size_t size = (size_t)value_sizes[type];
    if (value_sizes[type] < 0) {
        if (end - p < 2)
            return false;
        size = read_u16(p);
        p += 2;
    }
    if ((size_t)(end - p) < size)
        return false;
    if (type == TYPE_STRING)
        keep(h, name, str_n(p, size));
    *in = str_n(p + size, (size_t)(end - p) - size);
    return true;
}

/* The length of the message at p, of which PRELUDE bytes are there; 0 when they are not a prelude. */
static size_t read_prelude(struct eventstream *s, const char *p)
{
    size_t total = read_u32(p), headers = read_u32(p + 4);
    if (crc32_of(p, 8) != read_u32(p + 8))
        fail(s, "the checksum of a message's prelude is wrong");
    else if (total < SMALLEST || headers > total - SMALLEST)
        fail(s, "a message's lengths contradict each other");
    else if (total > s->limit)
        fail(s, "a message is larger than the limit");
    else
        return total;
    return 0;
}

static int read_message(struct eventstream *s, struct str raw, struct eventstream_message *m)
{
    size_t body = raw.len - CRC;
    if (crc32_of(raw.p, body) != read_u32(raw.p + body))
        return fail(s, "the checksum of a message is wrong");
    struct str in = str_n(raw.p + PRELUDE, read_u32(raw.p + 4));
    struct str payload = str_n(in.p + in.len, body - PRELUDE - in.len);
    struct headers h = {0};
    while (in.len > 0)
        if (!read_header(&in, &h))
            return fail(s, "a message's headers are broken");
    *m = (struct eventstream_message){EVENTSTREAM_EVENT, raw, h.event_type, payload};
    if (str_eq(h.message_type, "exception")) {
        m->kind = EVENTSTREAM_EXCEPTION;
        m->name = h.exception_type;
    } else if (str_eq(h.message_type, "error")) {
        m->kind = EVENTSTREAM_ERROR;
        m->name = h.error_code;
        m->data = h.error_message;
    } else if (!str_eq(h.message_type, "event")) {
        return fail(s, "a message has no known :message-type");
    }
    return 1;
}

/* Moves bytes from *in until `partial` has `want`; false when there are too few. */
static bool fill(struct eventstream *s, struct str *in, size_t want)
{
    size_t n = want - s->partial.len;
    if (n > in->len)
        n = in->len;
    buf_append(&s->partial, in->p, n);
    in->p += n;
    in->len -= n;
    return s->partial.len == want;
}

static int continue_partial(struct eventstream *s, struct str *in, struct eventstream_message *m)
{
    if (s->partial.len < PRELUDE && !fill(s, in, PRELUDE))
        return 0;
    size_t total = read_prelude(s, s->partial.p);
    if (total == 0)
        return -1;
    if (!fill(s, in, total))
        return 0;
    s->is_yielded = true;
    return read_message(s, buf_str(&s->partial), m);
}

int eventstream_next(struct eventstream *s, struct str *in, struct eventstream_message *m)
{
    if (s->problem)
        return -1;
    if (s->is_yielded)
        buf_reset(&s->partial);
    s->is_yielded = false;
    if (in->len == 0)
        return 0;
    if (s->partial.len > 0 || in->len < PRELUDE)
        return continue_partial(s, in, m);
    size_t total = read_prelude(s, in->p);
    if (total == 0)
        return -1;
    if (total > in->len)
        return continue_partial(s, in, m);
    struct str raw = str_n(in->p, total);
    in->p += total;
    in->len -= total;
    return read_message(s, raw, m);
}

bool eventstream_is_cut(const struct eventstream *s)
{
    return !s->is_yielded && s->partial.len > 0;
}
