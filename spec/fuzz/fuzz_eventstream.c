/*
 * Any bytes as AWS's event stream: the same messages however it is cut. Checksums would keep a fuzzer out, so the input is
 * also read with all of them made right.
 */
#include <stdint.h>
#include <stdlib.h>

#include "net/eventstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 600 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_crc(uint8_t *p, const uint8_t *from)
{
    uint32_t crc = 0xffffffff;
    for (; from < p; from++) {
        crc ^= *from;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(~crc >> (24 - 8 * i));
}

static void mend(uint8_t *p, size_t len)
{
    while (len >= 16) {
        put_crc(p + 8, p);
        size_t total = read_u32(p);
        if (total < 16 || total > len)
            return;
        put_crc(p + total - 4, p);
        p += total;
        len -= total;
    }
}

static void note(struct buf *out, struct str s)
{
    require(buf_printf(out, "%d %zu:", s.p != NULL, s.len) == 0);
    require(buf_append(out, s.p, s.len) == 0);
}

static int read_stream(const char *p, size_t len, size_t step, struct buf *out)
{
    struct eventstream s;
    struct eventstream_message m;
    int result = 0;
    eventstream_init(&s, LIMIT);
    for (size_t at = 0; at < len && result == 0; at += step) {
        struct str in = str_n(p + at, step < len - at ? step : len - at);
        while ((result = eventstream_next(&s, &in, &m)) > 0) {
            require(m.raw.len >= 16 && m.raw.len <= LIMIT);
            note(out, m.raw);
            note(out, m.name);
            note(out, m.data);
        }
        require(result < 0 || in.len == 0);
    }
    require(result == 0 || s.problem != NULL);
    buf_printf(out, "%s", s.problem ? s.problem : eventstream_is_cut(&s) ? "cut" : "end");
    eventstream_clear(&s);
    return result;
}

static void check(const uint8_t *data, size_t size)
{
    static struct buf one = BUF(1 << 26), other = BUF(1 << 26);
    const char *p = (const char *)data;
    const size_t steps[] = {1, 2, size > 0 ? data[size / 2] + 1u : 1};
    buf_reset(&one);
    int whole = read_stream(p, size, size + 1, &one);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        buf_reset(&other);
        require(read_stream(p, size, steps[i], &other) == whole);
        require(str_same(buf_str(&one), buf_str(&other)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size);
    uint8_t *copy = malloc(size + 1);
    require(copy != NULL);
    memcpy(copy, data, size);
    mend(copy, size);
    check(copy, size);
    free(copy);
    return 0;
}
