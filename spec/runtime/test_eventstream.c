/* The event stream of AWS: published messages, every header type, arrival in pieces, and everything that can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "net/eventstream.h"

/* Bit by bit, as the standard defines it: what is tested has a table. */
static uint32_t crc_of(const char *p, size_t len)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static void put_u32(struct buf *b, uint32_t v)
{
    char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    buf_append(b, bytes, 4);
}

static void put_string(struct buf *b, const char *name, const char *value)
{
    size_t len = strlen(value);
    buf_putc(b, (char)strlen(name));
    buf_puts(b, name);
    buf_putc(b, 7);
    buf_putc(b, (char)(len >> 8));
    buf_putc(b, (char)len);
    buf_puts(b, value);
}

static void put_message(struct buf *out, struct str headers, const char *payload)
{
    struct buf b = BUF(1 << 20);
    put_u32(&b, (uint32_t)(16 + headers.len + strlen(payload)));
    put_u32(&b, (uint32_t)headers.len);
    put_u32(&b, crc_of(b.p, 8));
    buf_append(&b, headers.p, headers.len);
    buf_puts(&b, payload);
    put_u32(&b, crc_of(b.p, b.len));
    buf_append(out, b.p, b.len);
    buf_clear(&b);
}

static void put_typed(struct buf *out, const char *type, const char *key, const char *name, const char *payload)
{
    struct buf headers = BUF(1 << 16);
    put_string(&headers, key, name);
    put_string(&headers, ":content-type", "application/json");
    put_string(&headers, ":message-type", type);
    put_message(out, buf_str(&headers), payload);
    buf_clear(&headers);
}

/* One line for each message, then how it ended. */
static struct buf read_stream(struct str bytes, size_t step, size_t limit)
{
    struct buf text = BUF(1 << 22);
    struct eventstream s;
    eventstream_init(&s, limit);
    int result = 0;
    for (size_t at = 0; at < bytes.len && result == 0; at += step) {
        size_t n = step < bytes.len - at ? step : bytes.len - at;
        /* An exact copy, so that a sanitizer sees each read past the end. */
        char *copy = xstrndup(bytes.p + at, n);
        struct str in = str_n(copy, n);
        struct eventstream_message m;
        while ((result = eventstream_next(&s, &in, &m)) > 0)
            buf_printf(&text, "%d %zu " STR_FMT "=" STR_FMT "\n", m.kind, m.raw.len, STR_ARG(m.name), STR_ARG(m.data));
        free(copy);
    }
    buf_printf(&text, "%s", result < 0 ? s.problem : eventstream_is_cut(&s) ? "cut" : "end");
    eventstream_clear(&s);
    return text;
}

static void assert_reads(struct str bytes, size_t step, size_t limit, const char *expected)
{
    struct buf text = read_stream(bytes, step, limit);
    assert_string_equal(text.p, expected);
    buf_clear(&text);
}

static struct buf a_conversation(void)
{
    struct buf b = BUF(1 << 16);
    put_typed(&b, "event", ":event-type", "messageStart", "{\"role\":\"assistant\"}");
    put_typed(&b, "event", ":event-type", "contentBlockDelta", "{\"delta\":{\"text\":\"h\xc3\xa9\"}}");
    put_typed(&b, "exception", ":exception-type", "throttlingException", "{\"message\":\"slow down\"}");
    return b;
}

#define CONVERSATION                                                                                                   \
    "0 118 messageStart={\"role\":\"assistant\"}\n"                                                                    \
    "0 127 contentBlockDelta={\"delta\":{\"text\":\"h\xc3\xa9\"}}\n"                                                   \
    "1 136 throttlingException={\"message\":\"slow down\"}\n"

static void reads_messages_however_they_are_cut(void **state)
{
    (void)state;
    struct buf b = a_conversation();
    for (size_t step = 1; step <= b.len; step++)
        assert_reads(buf_str(&b), step, 0, CONVERSATION "end");
    for (size_t at = 0; at <= b.len; at++) {
        struct eventstream s;
        struct eventstream_message m;
        eventstream_init(&s, 0);
        struct str parts[] = {str_n(b.p, at), str_n(b.p + at, b.len - at)};
        int count = 0;
        for (int i = 0; i < 2; i++)
            while (eventstream_next(&s, &parts[i], &m) > 0)
                count++;
        assert_int_equal(count, 3);
        assert_false(eventstream_is_cut(&s));
        eventstream_clear(&s);
    }
    buf_clear(&b);
}

static void says_when_it_was_cut(void **state)
{
    (void)state;
    struct buf b = a_conversation();
    assert_reads(str_n(b.p, 118), 7, 0, "0 118 messageStart={\"role\":\"assistant\"}\nend");
    assert_reads(str_n(b.p, 119), 7, 0, "0 118 messageStart={\"role\":\"assistant\"}\ncut");
    assert_reads(str_n(b.p, 117), 7, 0, "cut");
    buf_clear(&b);
}

static void skips_headers_of_every_type(void **state)
{
    (void)state;
    struct buf headers = BUF(1 << 16), b = BUF(1 << 16);
    static const struct {
        char type;
        size_t size;
    } types[] = {{0, 0}, {1, 0}, {2, 1}, {3, 2}, {4, 4}, {5, 8}, {8, 8}, {9, 16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        buf_append(&headers, "\1x", 2);
        buf_putc(&headers, types[i].type);
        buf_append(&headers, "0123456789abcdef", types[i].size);
    }
    buf_append(&headers, "\1x\6\0\3abc", 8);
    put_string(&headers, ":error-code", "Internal");
    put_string(&headers, ":error-message", "broke");
    put_string(&headers, ":message-type", "error");
    put_message(&b, buf_str(&headers), "ignored");
    struct buf text = read_stream(buf_str(&b), 3, 0);
    assert_non_null(strstr(text.p, " Internal=broke\nend"));
    assert_int_equal(text.p[0], '0' + EVENTSTREAM_ERROR);
    buf_clear(&text);
    buf_clear(&headers);
    buf_clear(&b);
}

/* From the specification's test vectors; they have no :message-type, and are right up to there. */
static void checks_published_messages(void **state)
{
    (void)state;
    static const char empty[] = "\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff";
    static const char payload[] =
        "\x00\x00\x00\x1d\x00\x00\x00\x00\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36";
    static const char header[] = "\x00\x00\x00\x3d\x00\x00\x00\x20\x07\xfd\x83\x96\x0c"
                                 "content-type\x07\x00\x10"
                                 "application/json{'foo':'bar'}\x8d\x9c\x08\xb1";
    const struct str vectors[] = {
        str_n(empty, sizeof empty - 1), str_n(payload, sizeof payload - 1), str_n(header, sizeof header - 1)};
    for (size_t i = 0; i < 3; i++) {
        char copy[64];
        memcpy(copy, vectors[i].p, vectors[i].len);
        struct str bytes = str_n(copy, vectors[i].len);
        assert_reads(bytes, 5, 0, "a message has no known :message-type");
        copy[bytes.len - 1] ^= 1;
        assert_reads(bytes, 5, 0, "the checksum of a message is wrong");
        copy[9] ^= 1;
        assert_reads(bytes, 5, 0, "the checksum of a message's prelude is wrong");
    }
}

static void refuses_broken_messages(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } broken[] = {{"\0", 1}, {"\5x\7", 3}, {"\1x\12", 3}, {"\1x\7\0", 4}, {"\1x\7\0\5ab", 7}, {"\1x\5ab", 5}, {"\1", 1}};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct buf b = BUF(1 << 16);
        put_message(&b, str_n(broken[i].bytes, broken[i].len), "");
        assert_reads(buf_str(&b), 1000, 0, "a message's headers are broken");
        buf_clear(&b);
    }
}

static void refuses_lengths_that_lie(void **state)
{
    (void)state;
    struct buf b = BUF(64);
    put_u32(&b, 20);
    put_u32(&b, 5);
    put_u32(&b, crc_of(b.p, 8));
    assert_reads(buf_str(&b), 1, 0, "a message's lengths contradict each other");
    buf_reset(&b);
    put_u32(&b, 15);
    put_u32(&b, 0);
    put_u32(&b, crc_of(b.p, 8));
    assert_reads(buf_str(&b), 12, 0, "a message's lengths contradict each other");
    buf_clear(&b);
}

static void holds_the_limit(void **state)
{
    (void)state;
    struct buf b = a_conversation();
    assert_reads(buf_str(&b), 9, 136, CONVERSATION "end");
    assert_reads(buf_str(&b), 1000, 135,
                 "0 118 messageStart={\"role\":\"assistant\"}\n"
                 "0 127 contentBlockDelta={\"delta\":{\"text\":\"h\xc3\xa9\"}}\n"
                 "a message is larger than the limit");
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_messages_however_they_are_cut), cmocka_unit_test(says_when_it_was_cut),
        cmocka_unit_test(skips_headers_of_every_type),         cmocka_unit_test(checks_published_messages),
        cmocka_unit_test(refuses_broken_messages),             cmocka_unit_test(refuses_lengths_that_lie),
        cmocka_unit_test(holds_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
