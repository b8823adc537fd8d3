/* Any bytes, as a request and as a reply: the same outcome in one piece and cut anywhere, and views that stay inside. */
#include <stdint.h>
#include <stdlib.h>

#include "net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What one reading of a message came to. */
struct outcome {
    long head;
    int status;
    bool done;
    size_t content;
    uint64_t sum; /* of the content's bytes, each by its place */
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_view(struct str s, const char *p, size_t len)
{
    require(s.p == NULL || (s.p >= p && s.p + s.len <= p + len));
}

static void check_head(const struct http_head *head, const char *p, size_t len)
{
    check_view(head->method, p, len);
    check_view(head->target, p, len);
    check_view(head->reason, p, len);
    require(head->count <= HTTP_MAX_FIELDS);
    for (int i = 0; i < head->count; i++) {
        check_view(head->fields[i].name, p, len);
        check_view(head->fields[i].value, p, len);
        require(memchr(head->fields[i].value.p, '\n', head->fields[i].value.len) == NULL);
        require(http_field(head, "host").p == NULL || head->fields[i].name.len > 0);
    }
}

static long parse(bool is_reply, struct http_head *head, const char *p, size_t len, size_t *scanned,
                  struct http_error *error)
{
    if (is_reply)
        return http_parse_response(head, str_of("POST"), p, len, scanned, error);
    return http_parse_request(head, p, len, scanned, error);
}

static void read_body(struct outcome *o, const struct http_head *head, const char *p, size_t len,
                      size_t step)
{
    struct http_body body;
    struct http_error error = {0};
    http_body_init(&body, head);
    while (!body.done && len > 0) {
        struct str out;
        size_t piece = step < len ? step : len;
        long n = http_body_read(&body, p, piece, &out, &error);
        if (n < 0)
            break;
        require(n > 0 && (size_t)n <= piece);
        check_view(out, p, piece);
        for (size_t i = 0; i < out.len; i++)
            o->sum += (uint64_t)(unsigned char)out.p[i] * ++o->content;
        p += n;
        len -= (size_t)n;
    }
    o->status = error.status;
    o->done = body.done;
}

/* The first `cut` bytes byte by byte or at once, then the rest at once; the body in pieces of `step`. */
static struct outcome read_message(bool is_reply, const char *p, size_t len, size_t first,
                                   size_t step)
{
    static struct http_head head;
    struct outcome o = {0};
    struct http_error error = {0};
    size_t scanned = 0;
    for (size_t have = first; o.head == 0; have += step) {
        if (have > len)
            have = len;
        o.head = parse(is_reply, &head, p, have, &scanned, &error);
        require(o.head <= (long)have && scanned <= have);
        if (have == len)
            break;
    }
    o.status = error.status;
    require((o.head < 0) == (error.status != 0));
    if (o.head <= 0)
        return o;
    check_head(&head, p, len);
    read_body(&o, &head, p + o.head, len - (size_t)o.head, step);
    return o;
}

static void compare(bool is_reply, const char *p, size_t len, size_t first, size_t step)
{
    struct outcome a = read_message(is_reply, p, len, len, len + 1);
    struct outcome b = read_message(is_reply, p, len, first, step);
    require(a.head == b.head && a.status == b.status && a.done == b.done &&
            a.content == b.content && a.sum == b.sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    size_t cut = size > 0 ? (data[size - 1] * 31u + data[size / 2]) % size : 0;
    for (int is_reply = 0; is_reply < 2; is_reply++) {
        compare(is_reply, p, size, cut, size + 1);
        if (size < 4096)
            compare(is_reply, p, size, 0, 1);
    }
    return 0;
}
