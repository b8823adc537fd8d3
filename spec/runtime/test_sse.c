/* The event stream parser: what it says of each frame, byte-exactness, and arrival in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <glob.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/sse.h"
#include "shared.h"

/* One line of text for each event, and the raw bytes of all in a row. */
struct transcript {
    struct buf text, raw;
    int count, result;
};

static void note_event(struct transcript *t, const struct sse_event *e)
{
    t->count++;
    buf_append(&t->raw, e->raw.p, e->raw.len);
    buf_printf(&t->text, "%zu %d%d [" STR_FMT "] %d:", e->raw.len, e->is_comment, e->is_empty,
               STR_ARG(e->name), e->data.p != NULL);
    buf_append(&t->text, e->data.p, e->data.len);
    buf_putc(&t->text, '\n');
}

static void feed(struct sse *s, struct str bytes, struct transcript *t)
{
    /* An exact copy, so that a sanitizer sees each read past the end. */
    char *copy = xstrndup(bytes.p, bytes.len);
    struct str in = str_n(copy, bytes.len);
    struct sse_event e;
    while ((t->result = sse_next(s, &in, &e)) > 0)
        note_event(t, &e);
    if (t->result == 0)
        assert_int_equal(in.len, 0);
    free(copy);
}

static void finish(struct sse *s, struct transcript *t)
{
    struct sse_event e;
    if (sse_end(s, &e) > 0 || sse_rest(s, &e) > 0)
        note_event(t, &e);
    struct str left = sse_pending(s);
    buf_append(&t->raw, left.p, left.len);
    buf_printf(&t->text, "left %zu\n", left.len);
    sse_clear(s);
}

/* The first `cut` bytes in pieces of `step`, then the rest at once. */
static struct transcript read_stream(struct str bytes, size_t cut, size_t step, size_t limit)
{
    struct transcript t = {.text = BUF(1 << 24), .raw = BUF(1 << 24)};
    struct sse s;
    sse_init(&s, limit);
    size_t at = 0;
    for (; at < cut && t.result == 0; at += step)
        feed(&s, str_n(bytes.p + at, step < cut - at ? step : cut - at), &t);
    if (t.result == 0)
        feed(&s, str_n(bytes.p + cut, bytes.len - cut), &t);
    finish(&s, &t);
    return t;
}

static void transcript_clear(struct transcript *t)
{
    buf_clear(&t->text);
    buf_clear(&t->raw);
}

static void assert_same_when_cut(const char *name, struct str bytes, const struct transcript *whole,
                                 size_t cut, size_t step)
{
    struct transcript t = read_stream(bytes, cut, step, 0);
    if (!str_same(buf_str(&t.text), buf_str(&whole->text)))
        fail_msg("%s differs when cut at %zu by %zu", name, cut, step);
    assert_true(str_same(buf_str(&t.raw), bytes));
    transcript_clear(&t);
}

static struct transcript read_every_way(const char *name, struct str bytes, size_t stride)
{
    struct transcript whole = read_stream(bytes, 0, 1, 0);
    assert_int_equal(whole.result, 0);
    assert_true(str_same(buf_str(&whole.raw), bytes));
    for (size_t cut = 1; cut < bytes.len; cut += stride)
        assert_same_when_cut(name, bytes, &whole, cut, cut);
    assert_same_when_cut(name, bytes, &whole, bytes.len, 1);
    assert_same_when_cut(name, bytes, &whole, bytes.len, 7);
    return whole;
}

static void assert_events(const char *stream, size_t len, const char *expected)
{
    struct transcript t = read_every_way(stream, str_n(stream, len), 1);
    assert_string_equal(t.text.p, expected);
    transcript_clear(&t);
}
#define ASSERT_EVENTS(stream, expected) assert_events(stream, sizeof stream - 1, expected)

static void test_fields(void **state)
{
    (void)state;
    ASSERT_EVENTS("data: a\n\n", "9 00 [] 1:a\nleft 0\n");
    ASSERT_EVENTS("data:a\n\n", "8 00 [] 1:a\nleft 0\n");
    ASSERT_EVENTS("data:  a \t \n\n", "13 00 [] 1: a \t \nleft 0\n");
    ASSERT_EVENTS("event: ping\ndata: {}\n\n", "22 00 [ping] 1:{}\nleft 0\n");
    ASSERT_EVENTS("data: a\nevent: x\nevent:y\n\n", "26 00 [y] 1:a\nleft 0\n");
    ASSERT_EVENTS("data: a\ndata:\ndata: b\n\n", "23 00 [] 1:a\n\nb\nleft 0\n");
    ASSERT_EVENTS("data\n\n", "6 00 [] 1:\nleft 0\n");
    ASSERT_EVENTS("data:\n\n", "7 00 [] 1:\nleft 0\n");
    ASSERT_EVENTS("id: 7\nretry: 10\ndata: a: b\n\n", "28 00 [] 1:a: b\nleft 0\n");
    ASSERT_EVENTS("Data: a\ndatum: b\n\n", "18 01 [] 0:\nleft 0\n");
    ASSERT_EVENTS("data: \x01\x7f\0z\n\n", "12 00 [] 1:\x01\x7f");
}

static void test_frames(void **state)
{
    (void)state;
    ASSERT_EVENTS(": keep\n\n", "8 11 [] 0:\nleft 0\n");
    ASSERT_EVENTS(": a\n: b\n\n", "9 11 [] 0:\nleft 0\n");
    ASSERT_EVENTS(": a\ndata: b\n: c\n\n", "17 00 [] 1:b\nleft 0\n");
    ASSERT_EVENTS(": a\nretry: 1\n\n", "14 01 [] 0:\nleft 0\n");
    ASSERT_EVENTS("\n\ndata: a\n\n\n", "1 01 [] 0:\n1 01 [] 0:\n9 00 [] 1:a\n1 01 [] 0:\nleft 0\n");
    ASSERT_EVENTS("data: a\n\ndata: b\n", "9 00 [] 1:a\n8 00 [] 1:b\nleft 0\n");
    ASSERT_EVENTS("data: a\n\n: b\n", "9 00 [] 1:a\nleft 4\n");
    ASSERT_EVENTS("", "left 0\n");
}

static void test_line_ends(void **state)
{
    (void)state;
    ASSERT_EVENTS("event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n",
                  "21 00 [x] 1:a\n11 00 [] 1:b\nleft 0\n");
    ASSERT_EVENTS("data: a\r\rdata: b\r\r", "9 00 [] 1:a\n9 00 [] 1:b\nleft 0\n");
    ASSERT_EVENTS("data: a\n\r\ndata: b\r\n\n", "10 00 [] 1:a\n10 00 [] 1:b\nleft 0\n");
    ASSERT_EVENTS("data: a\r\n\r", "10 00 [] 1:a\nleft 0\n");
    ASSERT_EVENTS("data: a\r", "8 00 [] 1:a\nleft 0\n");
    ASSERT_EVENTS("\xef\xbb\xbf"
                  "data: a\n\n\xef\xbb\xbf"
                  "data: b\n\n",
                  "12 00 [] 1:a\n12 01 [] 0:\nleft 0\n");
    ASSERT_EVENTS("\xef\xbb\xbf\ndata: a\n\n", "4 01 [] 0:\n9 00 [] 1:a\nleft 0\n");
}

/* A frame of exactly the limit passes, one byte more does not, however it comes. */
static void test_limit(void **state)
{
    (void)state;
    struct str crs = str_of("data: 0123\r\r\n");
    struct str fits = str_of("data: 0123\r\rdata: a\n\n");
    for (size_t step = 1; step <= crs.len; step++) {
        struct transcript t = read_stream(crs, crs.len, step, 12);
        assert_int_equal(t.result, -1);
        transcript_clear(&t);
        t = read_stream(crs, crs.len, step, 13);
        assert_string_equal(t.text.p, "13 00 [] 1:0123\nleft 0\n");
        transcript_clear(&t);
        t = read_stream(fits, fits.len, step, 12);
        assert_string_equal(t.text.p, "12 00 [] 1:0123\n9 00 [] 1:a\nleft 0\n");
        transcript_clear(&t);
    }
}

static void test_limit_keeps_bytes(void **state)
{
    (void)state;
    struct sse s;
    struct sse_event e;
    sse_init(&s, 10);
    struct str first = str_of("data: "), rest = str_of("0123456789\n\n");
    assert_int_equal(sse_next(&s, &first, &e), 0);
    assert_int_equal(sse_next(&s, &rest, &e), -1);
    struct buf all = BUF(100);
    buf_append(&all, sse_pending(&s).p, sse_pending(&s).len);
    buf_append(&all, rest.p, rest.len);
    assert_string_equal(all.p, "data: 0123456789\n\n");
    buf_clear(&all);
    sse_clear(&s);
}

/* An event that lies whole in the input is not copied. */
static void test_views(void **state)
{
    (void)state;
    struct sse s;
    struct sse_event e;
    sse_init(&s, 0);
    const char *text = "data: a\n\ndata: b\ndata: c\n\n";
    struct str in = str_of(text);
    assert_int_equal(sse_next(&s, &in, &e), 1);
    assert_ptr_equal(e.raw.p, text);
    assert_ptr_equal(e.data.p, text + 6);
    assert_int_equal(sse_next(&s, &in, &e), 1);
    assert_ptr_equal(e.raw.p, text + 9);
    assert_null(s.partial.p);
    sse_clear(&s);
}

static void test_recordings(void **state)
{
    (void)state;
    if (!shared_has("fixtures"))
        skip();
    glob_t found;
    assert_int_equal(glob(shared_path("fixtures/*/*sse*.body"), 0, NULL, &found), 0);
    int events = 0, ended = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct buf file = shared_read(found.gl_pathv[i]);
        struct transcript t = read_every_way(found.gl_pathv[i], buf_str(&file), file.len / 40 + 1);
        events += t.count;
        ended += memmem(t.text.p, t.text.len, "left 0\n", 7) != NULL;
        transcript_clear(&t);
        buf_clear(&file);
    }
    printf("%zu recordings, %d events\n", found.gl_pathc, events);
    assert_int_equal(ended, found.gl_pathc);
    assert_true(events > (int)found.gl_pathc);
    globfree(&found);
}

/* Printed for whoever changes the parser; no assertion, since machines differ. */
static void test_time(void **state)
{
    (void)state;
    struct buf b = BUF(1 << 20);
    for (int i = 0; i < 64; i++)
        buf_puts(&b, "data: {\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\","
                     "\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"
                     "\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n");
    struct sse s;
    struct sse_event e;
    sse_init(&s, 0);
    enum { ROUNDS = 2000 };
    uint64_t start = clock_ns();
    for (int i = 0; i < ROUNDS; i++)
        for (struct str in = buf_str(&b); sse_next(&s, &in, &e) > 0;)
            assert_true(e.data.len > 100);
    printf("event of %zu bytes: %.0f ns\n", b.len / 64, (double)(clock_ns() - start) / ROUNDS / 64);
    sse_clear(&s);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_limit_keeps_bytes),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_recordings),
        cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
