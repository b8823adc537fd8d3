/* The HTTP parser against third-party vectors, hand-written cases, and arrival in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/http.h"
#include "shared.h"

/* What became of one message, in a form that can be compared. */
struct outcome {
    bool whole;
    int status; /* of the error; 0: none */
    const char *why;
    int head_length;
    struct buf content;
};

static struct http_head head;

/* Feeds `bytes` to the head parser growing by `step` bytes, then the body reader `step` bytes at a time. */
static struct outcome read_message(struct str bytes, size_t first, size_t step)
{
    struct outcome o = {.content = BUF(1024 * 1024)};
    struct http_error error = {0};
    size_t scanned = 0, have = first;
    do {
        if (have > bytes.len)
            have = bytes.len;
        /* An exact copy, so that a sanitizer sees each read past the end. */
        char *copy = xstrndup(bytes.p, have);
        o.head_length = http_parse_request(&head, copy, have, &scanned, &error);
        free(copy);
        if (o.head_length != 0 || have == bytes.len)
            break;
        have += step;
    } while (true);
    o.status = error.status;
    o.why = error.why;
    if (o.head_length <= 0)
        return o;
    struct http_body body;
    http_body_init(&body, &head);
    size_t at = (size_t)o.head_length;
    while (!body.done && at < bytes.len) {
        size_t len = step < bytes.len - at ? step : bytes.len - at;
        struct str out;
        long n = http_body_read(&body, bytes.p + at, len, &out, &error);
        if (n < 0) {
            o.status = error.status;
            o.why = error.why;
            return o;
        }
        assert_true(n > 0 && (size_t)n <= len);
        buf_append(&o.content, out.p, out.len);
        at += (size_t)n;
    }
    o.whole = body.done;
    return o;
}

static int status_of(const struct buf *message, size_t first, size_t step)
{
    struct outcome o = read_message(buf_str(message), first, step);
    buf_clear(&o.content);
    return o.status;
}

static void assert_same(const char *id, size_t cut, const struct outcome *a,
                        const struct outcome *b)
{
    if (a->whole != b->whole || a->status != b->status || a->why != b->why ||
        a->head_length != b->head_length || !str_same(buf_str(&a->content), buf_str(&b->content)))
        fail_msg("%s differs when cut at %zu: %s / %s", id, cut, a->why ? a->why : "whole",
                 b->why ? b->why : "whole");
}

/* The same in one piece, byte by byte, and in two pieces cut at every byte. */
static struct outcome read_every_way(const char *id, struct str bytes)
{
    struct outcome one = read_message(bytes, bytes.len, bytes.len);
    for (size_t cut = 0; cut < bytes.len; cut++) {
        struct outcome two = read_message(bytes, cut, cut == 0 ? 1 : bytes.len);
        assert_same(id, cut, &one, &two);
        buf_clear(&two.content);
    }
    return one;
}

/* ---- third-party vectors ---- */

static struct str json_member(struct str line, const char *name)
{
    char key[64];
    int n = snprintf(key, sizeof key, "\"%s\": ", name);
    const char *p = memmem(line.p, line.len, key, (size_t)n);
    assert_non_null(p);
    p += n;
    const char *end = *p == '"' ? strchr(++p, '"') : strpbrk(p, ",}");
    return str_n(p, (size_t)(end - p));
}

static struct buf decode_base64(struct str in)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf out = BUF(1024 * 1024);
    unsigned bits = 0;
    int count = 0;
    for (size_t i = 0; i < in.len && in.p[i] != '='; i++) {
        bits = bits << 6 | (unsigned)(strchr(digits, in.p[i]) - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_putc(&out, (char)(bits >> count));
        }
    }
    return out;
}

static void check_vector(struct str line)
{
    char id[128];
    snprintf(id, sizeof id, STR_FMT, STR_ARG(json_member(line, "id")));
    struct str expect = json_member(line, "expect");
    struct buf raw = decode_base64(json_member(line, "raw_b64"));
    struct outcome o = read_every_way(id, buf_str(&raw));
    bool is_free =
        str_eq(json_member(line, "config_dependent"), "true") || str_eq(expect, "either");
    if (!is_free && o.whole != str_eq(expect, "accept"))
        fail_msg("%s: expected " STR_FMT ", got %s", id, STR_ARG(expect),
                 o.whole ? "accept"
                 : o.why ? o.why
                         : "more to come");
    buf_clear(&o.content);
    buf_clear(&raw);
}

static int check_file(const char *name)
{
    struct buf file = shared_read(shared_path(name));
    int count = 0;
    for (char *line = strtok(file.p, "\n"); line != NULL; line = strtok(NULL, "\n"), count++)
        check_vector(str_of(line));
    buf_clear(&file);
    return count;
}

static void test_vectors(void **state)
{
    (void)state;
    if (!shared_has("http"))
        skip();
    int count = check_file("http/gunicorn-invalid.jsonl") + check_file("http/gunicorn-valid.jsonl");
    assert_true(count > 100);
    printf("%d vectors, each cut at every byte\n", count);
}

/* ---- requests ---- */

static void assert_status(const char *text, size_t len, int status)
{
    struct outcome o = read_every_way(text, str_n(text, len));
    if (o.status != status || (status == 0 && !o.whole))
        fail_msg("%d (%s) instead of %d for: %s", o.status, o.why ? o.why : "-", status, text);
    buf_clear(&o.content);
}
#define ASSERT_STATUS(text, status) assert_status(text, sizeof text - 1, status)
#define GET "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void test_fields(void **state)
{
    (void)state;
    ASSERT_STATUS("\r\n" GET "\r\n", 0);
    assert_int_equal(head.count, 1);
    assert_true(head.keep_alive);
    ASSERT_STATUS("\r\n\r\n" GET "\r\n", 400);
    ASSERT_STATUS(GET "A: \t b \t\r\nempty:\r\n\r\n", 0);
    assert_int_equal(head.count, 3);
    ASSERT_STATUS(GET "A : b\r\n\r\n", 400);
    ASSERT_STATUS(GET ": b\r\n\r\n", 400);
    ASSERT_STATUS(GET "A\r\n\r\n", 400);
    ASSERT_STATUS(GET "A: b\r\n c\r\n\r\n", 400);
    ASSERT_STATUS(GET " A: b\r\n\r\n", 400);
    ASSERT_STATUS(GET "A: b\0c\r\n\r\n", 400);
    ASSERT_STATUS(GET "A: b\rc\r\n\r\n", 400);
    ASSERT_STATUS(GET "A: b\n\r\n", 400);
    ASSERT_STATUS(GET "A: b\r\r\n\r\n", 400);
    ASSERT_STATUS(GET "Content-Type: a\r\ncontent-type: a\r\n\r\n", 400);
    ASSERT_STATUS(GET "Host: x\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 0);
    ASSERT_STATUS("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 0);
}

static void test_request_line(void **state)
{
    (void)state;
    ASSERT_STATUS("get / HTTP/1.1\r\nHost: x\r\n\r\n", 0);
    ASSERT_STATUS("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS(" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET /\ta HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505);
    ASSERT_STATUS("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505);
    ASSERT_STATUS("GET / http/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET / HTTP/1.x\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET /\r\n\r\n", 400);
    ASSERT_STATUS("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("GET http://x:99:1/ HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("CONNECT x: HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    ASSERT_STATUS("\x16\x03\x01\x02", 400);
}

static void assert_path(const char *target, const char *path)
{
    struct http_head h = {.target = str_of(target)};
    struct str found = http_path(&h);
    assert_int_equal(found.len, strlen(path));
    assert_memory_equal(found.p, path, found.len);
}

static void test_path(void **state)
{
    (void)state;
    assert_path("/v1/models?x=1", "/v1/models?x=1");
    assert_path("HTTP://h:80/v1/models?x=1", "/v1/models?x=1");
    assert_path("https://h", "/");
    assert_path("https://user@h/a", "/a");
    assert_path("*", "*");
}

static void test_limits(void **state)
{
    (void)state;
    struct buf b = BUF(100000);
    buf_printf(&b, "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_MAX_LINE - 16, 0);
    assert_int_equal(status_of(&b, b.len, 1), 0);
    buf_reset(&b);
    buf_printf(&b, "GET /%0*d", HTTP_MAX_LINE - 6, 0);
    assert_int_equal(status_of(&b, b.len, 1), 414);
    assert_int_equal(status_of(&b, 0, 1), 414);
    buf_reset(&b);
    buf_printf(&b, GET "A:%0*d\r\n\r\n", HTTP_MAX_FIELD - 4, 0);
    assert_int_equal(status_of(&b, b.len, 1), 0);
    buf_reset(&b);
    buf_printf(&b, GET "A:%0*d\r\n\r\n", HTTP_MAX_FIELD - 3, 0);
    assert_int_equal(status_of(&b, b.len, 1), 431);
    assert_int_equal(status_of(&b, 0, 7), 431);
    buf_reset(&b);
    buf_puts(&b, GET);
    for (int i = 0; i < 5; i++)
        buf_printf(&b, "A:%08000d\r\n", 0);
    assert_int_equal(status_of(&b, b.len, 1), 431);
    assert_int_equal(status_of(&b, 0, 5), 431);
    buf_reset(&b);
    buf_puts(&b, GET);
    for (int i = 1; i < HTTP_MAX_FIELDS; i++)
        buf_puts(&b, "a: b\r\n");
    buf_puts(&b, "\r\n");
    assert_int_equal(status_of(&b, b.len, 1), 0);
    assert_int_equal(head.count, HTTP_MAX_FIELDS);
    b.len -= 2;
    buf_puts(&b, "a: b\r\n\r\n");
    assert_int_equal(status_of(&b, b.len, 1), 431);
    buf_clear(&b);
}

/* ---- framing ---- */

static void test_framing(void **state)
{
    (void)state;
    ASSERT_STATUS(POST "Content-Length: 5\r\n\r\nhello", 0);
    ASSERT_STATUS(POST "Content-Length: 005\r\n\r\nhello", 0);
    ASSERT_STATUS(POST "Content-Length:\r\n\r\n", 400);
    ASSERT_STATUS(POST "Content-Length: +5\r\n\r\nhello", 400);
    ASSERT_STATUS(POST "Content-Length: 0x5\r\n\r\nhello", 400);
    ASSERT_STATUS(POST "Content-Length: 5,5\r\n\r\nhello", 400);
    ASSERT_STATUS(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400);
    ASSERT_STATUS(POST "Content-Length: 18446744073709551616\r\n\r\n", 413);
    ASSERT_STATUS(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
    ASSERT_STATUS(POST "Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello", 400);
    ASSERT_STATUS(POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 0);
    ASSERT_STATUS(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501);
    ASSERT_STATUS(POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400);
    ASSERT_STATUS(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400);
    ASSERT_STATUS(POST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 400);
    ASSERT_STATUS(POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400);
    ASSERT_STATUS(POST "Transfer-Encoding: \xe1\xbb\xa9hunked\r\n\r\n0\r\n\r\n", 400);
    ASSERT_STATUS(POST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", 400);
    ASSERT_STATUS(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                  400);
    ASSERT_STATUS("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
}

static void test_connection(void **state)
{
    (void)state;
    ASSERT_STATUS(GET "Connection: TE, Close\r\n\r\n", 0);
    assert_false(head.keep_alive);
    ASSERT_STATUS("GET / HTTP/1.0\r\n\r\n", 0);
    assert_false(head.keep_alive);
    ASSERT_STATUS("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0);
    assert_true(head.keep_alive);
    ASSERT_STATUS("GET / HTTP/1.0\r\nConnection: keep-alive,close\r\n\r\n", 0);
    assert_false(head.keep_alive);
    ASSERT_STATUS(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", 0);
    assert_true(head.expect_continue);
    ASSERT_STATUS(POST "Expect: 100-continue\r\n\r\n", 0);
    assert_false(head.expect_continue);
    ASSERT_STATUS(POST "Expect: more\r\n\r\n", 417);
}

static void test_chunked(void **state)
{
    (void)state;
    ASSERT_STATUS(CHUNKED "5\r\nhello\r\n0\r\n\r\n", 0);
    ASSERT_STATUS(CHUNKED "5;a\r\nhello\r\n0; b=\"c\"\r\nx-a: b\r\n\r\n", 0);
    ASSERT_STATUS(CHUNKED "0000000000000005\r\nhello\r\n0\r\n\r\n", 0);
    ASSERT_STATUS(CHUNKED "00000000000000005\r\nhello\r\n0\r\n\r\n", 400);
    ASSERT_STATUS(CHUNKED "\r\n", 400);
    ASSERT_STATUS(CHUNKED "0x5\r\n", 400);
    ASSERT_STATUS(CHUNKED "g\r\n", 400);
    ASSERT_STATUS(CHUNKED "5 \r\n", 400);
    ASSERT_STATUS(CHUNKED "5\n", 400);
    ASSERT_STATUS(CHUNKED "5\rh", 400);
    ASSERT_STATUS(CHUNKED "5;\r\n", 400);
    ASSERT_STATUS(CHUNKED "5;a\n", 400);
    ASSERT_STATUS(CHUNKED "5;a\0b\r\n", 400);
    ASSERT_STATUS(CHUNKED "5\r\nhellox\r\n", 400);
    ASSERT_STATUS(CHUNKED "5\r\nhello\n", 400);
    ASSERT_STATUS(CHUNKED "5\r\nhello\r0", 400);
    ASSERT_STATUS(CHUNKED "0\r\nx\r\n\r\n", 400);
    ASSERT_STATUS(CHUNKED "0\r\nx : a\r\n\r\n", 400);
    ASSERT_STATUS(CHUNKED "0\r\n: a\r\n\r\n", 400);
    ASSERT_STATUS(CHUNKED "0\r\nx: a\r\n b\r\n\r\n", 400);
    ASSERT_STATUS(CHUNKED "0\r\nx: a\nb\r\n\r\n", 400);
    ASSERT_STATUS(CHUNKED "0\r\nHOST: a\r\n\r\n", 400);
    ASSERT_STATUS(CHUNKED "0\r\nauthorization: a\r\n\r\n", 400);
    ASSERT_STATUS(CHUNKED "0\r\ncontent-length: 5\r\n\r\n", 400);
    struct buf b = BUF(100000);
    buf_printf(&b, CHUNKED "5;%0*d\r\nhello\r\n0\r\n\r\n", HTTP_MAX_CHUNK_EXTENSION - 1, 0);
    assert_int_equal(status_of(&b, b.len, 1000), 0);
    buf_reset(&b);
    buf_printf(&b, CHUNKED "5;%0*d\r\nhello\r\n0\r\n\r\n", HTTP_MAX_CHUNK_EXTENSION, 0);
    assert_int_equal(status_of(&b, b.len, 1000), 400);
    buf_reset(&b);
    buf_printf(&b, CHUNKED "0\r\nx: %0*d\r\n\r\n", HTTP_MAX_TRAILERS, 0);
    assert_int_equal(status_of(&b, b.len, 1000), 431);
    buf_clear(&b);
}

/* ---- replies ---- */

static int parse_reply(const char *method, const char *text)
{
    size_t scanned = 0;
    struct http_error error = {0};
    int n = http_parse_response(&head, str_of(method), text, strlen(text), &scanned, &error);
    assert_int_equal(n < 0, error.status == 502);
    return n;
}

static void assert_reply(const char *method, const char *text, enum http_framing framing, bool keep)
{
    assert_int_equal(parse_reply(method, text), strlen(text));
    assert_int_equal(head.framing, framing);
    assert_int_equal(head.keep_alive, keep);
}

static void test_replies(void **state)
{
    (void)state;
    assert_reply("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP_LENGTH, true);
    assert_int_equal(head.status, 200);
    assert_true(str_eq(head.reason, "OK"));
    assert_reply("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP_NO_BODY, true);
    assert_reply("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_CHUNKED,
                 true);
    assert_reply("GET", "HTTP/1.1 200 OK\r\n\r\n", HTTP_UNTIL_CLOSE, false);
    assert_reply("GET", "HTTP/1.1 200\r\n\r\n", HTTP_UNTIL_CLOSE, false);
    assert_reply("GET", "HTTP/1.1 200 \r\n\r\n", HTTP_UNTIL_CLOSE, false);
    assert_reply("GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP_LENGTH, false);
    assert_reply("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", HTTP_NO_BODY,
                 true);
    assert_reply("POST", "HTTP/1.1 100 Continue\r\n\r\n", HTTP_NO_BODY, true);
    assert_reply("POST", "HTTP/1.1 204 x\r\nContent-Length: 3\r\n\r\n", HTTP_NO_BODY, false);
    assert_reply("CONNECT", "HTTP/1.1 200 x\r\n\r\n", HTTP_NO_BODY, true);
    assert_int_equal(parse_reply("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"), 0);
    assert_int_equal(parse_reply("GET", "HTT"), 0);
    assert_int_equal(parse_reply("GET", "HTTX"), -1);
    assert_int_equal(parse_reply("GET", "SSH-2.0-OpenSSH_9.2\r\n"), -1);
    assert_int_equal(parse_reply("GET", "HTTP/1.1 2000 OK\r\n\r\n"), -1);
    assert_int_equal(parse_reply("GET", "HTTP/1.1 099 OK\r\n\r\n"), -1);
    assert_int_equal(parse_reply("GET", "HTTP/1.1 20\r\n\r\n"), -1);
    assert_int_equal(parse_reply("GET", "HTTP/2 200\r\n\r\n"), -1);
    assert_int_equal(parse_reply("GET", "\r\nHTTP/1.1 200 OK\r\n\r\n"), -1);
    assert_int_equal(parse_reply("GET", "HTTP/1.1 200 OK\nA: b\n\n"), -1);
    assert_int_equal(parse_reply("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                                        "Transfer-Encoding: chunked\r\n\r\n"),
                     -1);
    assert_int_equal(parse_reply("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n"), -1);
}

static void test_until_close(void **state)
{
    (void)state;
    struct http_body body;
    struct http_error error;
    struct str out;
    parse_reply("GET", "HTTP/1.1 200 OK\r\n\r\n");
    http_body_init(&body, &head);
    assert_int_equal(http_body_read(&body, "abc", 3, &out, &error), 3);
    assert_int_equal(out.len, 3);
    assert_false(body.done);
}

/* Content before a broken chunk is handed over first, and the chunk refused by the next call. */
static void test_content_before_error(void **state)
{
    (void)state;
    struct http_body body;
    struct http_error error = {0};
    struct str out;
    parse_reply("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    http_body_init(&body, &head);
    const char *text = "3\r\nabc\r\nzz";
    assert_int_equal(http_body_read(&body, text, strlen(text), &out, &error), 8);
    assert_true(str_eq(out, "abc"));
    assert_int_equal(http_body_read(&body, text + 8, 2, &out, &error), -1);
    assert_int_equal(error.status, 400);
}

static void test_questions(void **state)
{
    (void)state;
    ASSERT_STATUS(GET "X-Api-Key: k\r\nx-api-key: l\r\n\r\n", 0);
    assert_string_equal(http_reason(429), "Too Many Requests");
    assert_string_equal(http_reason(299), "Unknown");
    struct http_head h = {.count = 1, .fields = {{str_of("X-Api-Key"), str_of("k")}}};
    assert_true(str_eq(http_field(&h, "x-api-key"), "k"));
    assert_null(http_field(&h, "x-api-ke").p);
}

/* Printed for whoever changes the parser; no assertion, since machines differ. */
static void test_time(void **state)
{
    (void)state;
    const char *text = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
                       "Accept: application/json\r\nContent-Type: application/json\r\n"
                       "User-Agent: OpenAI/JS 4.77.0\r\nAuthorization: Bearer "
                       "sk-proj-0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
                       "Accept-Encoding: gzip,deflate\r\nConnection: keep-alive\r\n"
                       "Content-Length: 1024\r\n\r\n";
    enum { ROUNDS = 200000 };
    size_t len = strlen(text);
    struct http_error error;
    uint64_t start = clock_ns();
    for (int i = 0; i < ROUNDS; i++) {
        size_t scanned = 0;
        assert_true(http_parse_request(&head, text, len, &scanned, &error) == (int)len);
    }
    printf("head of %zu bytes, %d fields: %.0f ns\n", len, head.count,
           (double)(clock_ns() - start) / ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_request_line),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_until_close),
        cmocka_unit_test(test_content_before_error),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
